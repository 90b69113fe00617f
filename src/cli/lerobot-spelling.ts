import { type Command, Option } from 'commander';

/**
 * Lets every option be spelled with underscores too, as LeRobot's command lines are: `--server_address` beside
 * `--server-address`. Call it when the command has all its options.
 */
export function alsoUnderscored(command: Command): Command {
  for (const option of [...command.options]) {
    const { flags, long, description, parseArg, negate } = option;
    const dashed = long?.slice(2) ?? '';
    if (negate || !dashed.includes('-')) continue;
    const value = /[<[].*$/.exec(flags)?.[0] ?? '';
    const twin = new Option(`--${dashed.replaceAll('-', '_')} ${value}`.trim(), description).hideHelp();
    if (parseArg !== undefined) twin.argParser(parseArg);
    twin.attributeName = () => option.attributeName();
    command.addOption(twin);
  }
  return command;
}

/** What LeRobot's own robot client is told, and `myelin robot-client` is not. */
const ELSEWHERE: readonly (readonly [option: RegExp, advice: string])[] = [
  [
    /'--robot\./,
    "The arm is run by: myelin control --model X5 --interface can0. Cameras are named here: --camera-id front=2. Leave LeRobot's --robot.* options out.",
  ],
  [/'--client_device/, 'Actions stay on the CPU here. Leave --client_device out.'],
];

/** Says of LeRobot's options that have no counterpart what to do in place of them. */
export const explainLeRobotOptions = (command: Command): Command =>
  command.configureOutput({
    outputError: (text, write) => {
      const [, advice] = ELSEWHERE.find(([option]) => option.test(text)) ?? [];
      write(advice === undefined ? text : `${text}  hint: ${advice}\n`);
    },
  });
