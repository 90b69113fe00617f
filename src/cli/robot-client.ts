import { Command, InvalidArgumentError, Option } from 'commander';
import { AGGREGATE_NAMES } from '../core/aggregation.ts';
import { DEFAULT_ARM_SEGMENT } from '../segment/arm-layout.ts';
import { addConfigFlag } from './config-file.ts';
import { parseServer, SERVER_SYNTAX } from './doctor/server-address.ts';
import { alsoUnderscored, explainLeRobotOptions } from './lerobot-spelling.ts';
import { number, whole } from './option-values.ts';
import { plotFile } from './queue-recorder.ts';
import { isRemotePolicy, PI05_SYNTAX } from './remote-policy-address.ts';
import type { RobotClientOptions } from './robot-client-run.ts';
import { addRtcFlags } from './rtc-flags.ts';

const collect = (value: string, previous: readonly string[]): string[] => [...previous, value];

/** The address of a LeRobot server, or of one of another protocol. */
function server(text: string): string {
  const address = text.replace(/^ws(s?):/, 'openpi$1:');
  if (!isRemotePolicy(address) && parseServer(address).protocol !== 'lerobot')
    throw new InvalidArgumentError(`must be ${SERVER_SYNTAX}.`);
  return address;
}

function size(text: string): readonly [number, number] {
  const match = /^(\d{1,5})x(\d{1,5})$/.exec(text);
  if (match === null) throw new InvalidArgumentError('must be WIDTHxHEIGHT, such as 640x480.');
  return [Number(match[1]), Number(match[2])];
}

function rename(text: string, previous: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const [from, to, ...rest] = text.split('=');
  if (!from || !to || rest.length > 0) throw new InvalidArgumentError('must be ROBOT_NAME=CHECKPOINT_NAME.');
  return new Map([...previous, [`observation.images.${from}`, `observation.images.${to}`]]);
}

/** `myelin robot-client`: the inference node with a policy behind a LeRobot policy server. */
export function robotClientCommand(): Command {
  const command = new Command('robot-client')
    .description(
      'Run a policy that a LeRobot policy server (theirs or myelin policy-server) computes, on an arm here',
    )
    .option(
      '--server-address <host:port>',
      `the policy server; a pi0.5 one as ${PI05_SYNTAX.replace(/\[.*/, '')}`,
      server,
      'localhost:8080',
    )
    .option('--policy-type <name>', 'act, smolvla, pi0, pi05, diffusion ...', 'act')
    .option('--pretrained-name-or-path <path>', 'checkpoint: a path on the server, or a Hub id')
    .option('--policy-device <name>', 'where a stock server runs the model', 'cpu')
    .option('--actions-per-chunk <n>', 'rows used of each chunk', whole(1, 128), 50)
    .option(
      '--chunk-size-threshold <share>',
      'ask for a chunk when this share of one is left',
      number(0, 1),
      0.5,
    )
    .addOption(
      new Option('--aggregate-fn-name <name>', 'how a queued and a newer action become one')
        .choices(AGGREGATE_NAMES)
        .default('weighted_average'),
    )
    .option('--fps <hz>', 'actions a second', number(0.1, 1000), 30)
    .option('--task <text>', 'what to do, in words', '')
    .option(
      '--debug-visualize-queue-size [file]',
      'show how many actions are queued, and write a plot of it when done, SVG or PNG (default: queue-size.svg)',
      plotFile,
    );
  addConfigFlag(addRtcFlags(command))
    .option(
      '--camera-id <name>',
      "camera the checkpoint looks at: NAME, or NAME=SOURCE with a ring's name or a number (/dev/videoN); repeatable",
      collect,
      [],
    )
    .addOption(
      new Option('--camera-size <size>', 'size of its pictures, as told to the server')
        .argParser(size)
        .default([640, 480], '640x480'),
    )
    .addOption(
      new Option(
        '--rename <names>',
        "a camera's name here and in the checkpoint, where the server is ours: ROBOT=CHECKPOINT; repeatable",
      )
        .argParser(rename)
        .default(new Map(), 'none'),
    )
    .option('--token <text>', 'what the server asks for (better: environment variable MYELIN_TOKEN)')
    .option('--tls', 'encrypt', false)
    .option('--tls-ca <file>', "the authority that signed the server's certificate, PEM; implies --tls")
    .option(
      '--slow-after <s>',
      'after so long without actions, execute the next ones slowly',
      number(0, 3600),
      1,
    )
    .option(
      '--home-after <s>',
      'after so long without actions, send the arm home; 0 for never',
      number(0, 86_400),
      30,
    )
    .option('--no-display', 'plain lines in place of the live panel')
    .option('--dry-run', 'refuse a real arm; film the simulated world of: myelin control --dry-run', false)
    .option('--segment <name>', 'segment of the arm', DEFAULT_ARM_SEGMENT)
    .option('--autostart', 'send START once, as soon as the arm is there and idle', false)
    .addHelpText(
      'after',
      `
LeRobot's own spelling works too: --server_address=..., --pretrained_name_or_path=... Cameras are named as in the
checkpoint. When the server goes away the arm holds; it goes on by itself when the server is back.

Examples:
  myelin robot-client --server-address gpu:8080 --pretrained-name-or-path /models/act_pick --camera-id front=0
  myelin robot-client --server_address=localhost:8080 --policy_type=act --pretrained_name_or_path=noop --dry-run
  myelin robot-client --config configs/async_client_example.yaml`,
    )
    .action(async (options: RobotClientOptions, self: Command) => {
      const lerobot = !isRemotePolicy(options.serverAddress);
      if (lerobot && options.pretrainedNameOrPath === undefined)
        self.error('error: give --pretrained-name-or-path PATH', { exitCode: 2 });
      const nameless = options.cameraId.find((text) => /^\d+$/.test(text));
      if (lerobot && nameless !== undefined)
        self.error(`error: --camera-id ${nameless} has no name: give --camera-id NAME=${nameless}`, {
          exitCode: 2,
        });
      const { runRobotClient } = await import('./robot-client-run.ts');
      process.exitCode = await runRobotClient(options);
    });
  return explainLeRobotOptions(alsoUnderscored(command));
}
