import { Command, InvalidArgumentError, Option } from 'commander';
import { DEVICE_SYNTAX, parseDevice } from '../policies/onnx/device.ts';
import { CHECK_NAMES, type CheckName } from './doctor/check-names.ts';
import type { DoctorOptions } from './doctor/doctor-run.ts';
import { parseServer, SERVER_SYNTAX, type ServerAddress } from './doctor/server-address.ts';
import { CHECKED_COMMANDS } from './doctor/subject-of-command.ts';
import { number, whole } from './option-values.ts';

const collect = (value: string, previous: readonly string[]): string[] => [...previous, value];
const servers = (text: string, previous: readonly ServerAddress[] = []): ServerAddress[] => [
  ...previous,
  parseServer(text),
];
const ports = (text: string, previous: readonly number[]): number[] => [...previous, whole(1, 65_535)(text)];

function device(text: string): string {
  try {
    parseDevice(text);
  } catch {
    throw new InvalidArgumentError(`must be ${DEVICE_SYNTAX}.`);
  }
  return text;
}

function checkNames(text: string): CheckName[] {
  const names = text.split(',').map((part) => CHECK_NAMES.find((name) => name === part.trim()));
  if (names.some((name) => name === undefined))
    throw new InvalidArgumentError(`must be some of ${CHECK_NAMES.join(',')}.`);
  return names.flatMap((name) => name ?? []);
}

/** LeRobot's name for a server. */
function serverAlias(): Option {
  const alias = new Option('--server_address <host:port>').argParser(servers).hideHelp();
  alias.attributeName = () => 'server';
  return alias;
}

/** `myelin doctor`: is this machine, and the network, ready for work? */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Look whether this machine, its devices and the way to a policy server are ready for work')
    .option('--server <address>', `policy server to reach: ${SERVER_SYNTAX}; repeatable`, servers, [])
    .addOption(serverAlias())
    .option('-c, --checkpoint <path>', 'checkpoint to look over')
    .option(
      '--port <n>',
      'port that must be free; repeatable (default: a look at 8000, 8001, 8080, 8765)',
      ports,
      [],
    )
    .option('--host <address>', 'address they would be listened at', '127.0.0.1')
    .option('--camera-id <id>', 'camera that must be there, as infer takes it; repeatable', collect, [])
    .option(
      '--interface <bus>',
      "the arm's bus: can0, slcan:/dev/ttyACM0, or a serial port's path; repeatable",
      collect,
      [],
    )
    .option('--device <name>', `what models shall run on: ${DEVICE_SYNTAX}`, device, 'auto')
    .option('--segment <name>', 'segment on which a control process should run')
    .option('--rounds <n>', 'round trips of the latency baseline', whole(1, 10_000), 50)
    .option('--fps <hz>', 'actions a second, to say what a latency means', number(0.1, 1000), 30)
    .option('--timeout <s>', 'time for one answer of a server', number(0.1, 60), 3)
    .option('--token <text>', 'what the server asks for (better: environment variable MYELIN_TOKEN)')
    .option('--tls', 'the server wants TLS', false)
    .option('--tls-ca <file>', "the authority that signed the server's certificate, PEM; implies --tls")
    .option('--only <names>', `some checks: ${CHECK_NAMES.join(',')}`, checkNames)
    .addOption(
      new Option('--for <command>', "what that command needs, by its own options, which follow '--'").choices(
        CHECKED_COMMANDS,
      ),
    )
    .option('--json', 'as JSON', false)
    .argument('[options...]', "with --for: that command's options")
    .addHelpText(
      'after',
      `
Changes nothing. A stock LeRobot server starts its episode anew at the handshake, so do not look at one that works.
Exit code 1 when there is a problem; a warning is none.

Examples:
  myelin doctor
  myelin doctor --server gpu:8080 --interface can0 --camera-id 0 --camera-id 2
  myelin doctor --only server --server openpi://gpu:8001 --server pi05://gpu:8765 --json
  myelin doctor --for policy-server -- -c ./my_act_checkpoint --port 8080
  myelin doctor --for robot-client -- --config configs/async_client_example.yaml`,
    )
    .action(async (args: readonly string[], options: DoctorOptions, self: Command) => {
      if (options.for === undefined && args.length > 0)
        self.error(`error: "${args[0]}" means nothing without --for`, { exitCode: 2 });
      const { runDoctor } = await import('./doctor/doctor-run.ts');
      const code = await runDoctor(options, args);
      // What hangs must not keep this process: nothing is left to do.
      process.stdout.write('', () => process.exit(code));
    });
}
