import { Command, InvalidArgumentError, Option } from 'commander';
import { SUBTASK_TEMPLATES } from '../policies/subtask/template.ts';
import { addConfigFlag } from './config-file.ts';
import { alsoUnderscored } from './lerobot-spelling.ts';
import { addModelFlags } from './model-flags.ts';
import { number, whole } from './option-values.ts';
import type { PolicyServerOptions } from './policy-server-run.ts';
import { addPoolFlags } from './pool-flags.ts';

const PORT = 65_535;
const collect = (value: string, previous: readonly string[]): string[] => [...previous, value];

const cameraPair = (text: string, previous: Readonly<Record<string, string>>): Record<string, string> => {
  const [, client, policy] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (client !== undefined && policy !== undefined) return { ...previous, [client]: policy };
  throw new InvalidArgumentError('must be CLIENT_NAME=POLICY_NAME.');
};

/** `myelin policy-server`: one engine, many protocols. */
export function policyServerCommand(): Command {
  const command = new Command('policy-server')
    .description('Serve a policy to LeRobot, openpi and pi0.5 clients, unchanged')
    .option('-c, --checkpoint <path>', 'LeRobot checkpoint folder, or an .onnx file with its manifest')
    .addOption(
      new Option(
        '--policy <name>',
        'in place of a checkpoint: noop does nothing at once, to try a network; scripted sorts the cubes of the simulated world',
      ).choices(['noop', 'scripted']),
    )
    .option('--host <address>', 'address to listen at', '127.0.0.1')
    .option('--port <n>', "port of LeRobot's protocol (gRPC); 0 takes any", whole(0, PORT), 8080)
    .option('--no-lerobot', "leave LeRobot's protocol out")
    .option(
      '--openpi-port <n>',
      'serve openpi, SGLang and vLLM-Omni clients too (WebSocket; 8001 is usual)',
      whole(0, PORT),
    )
    .option('--pi05-port <n>', 'serve pi0.5 clients too (JSON WebSocket; 8765 is usual)', whole(0, PORT))
    .option(
      '--camera <client=policy>',
      "openpi, pi0.5: a client's name for one of the policy's cameras, where they differ; repeatable",
      cameraPair,
      {},
    )
    .option(
      '--openpi-robot <name>',
      'whose keys openpi requests have: aloha, droid, libero, generic (default: told by the keys)',
    )
    .option(
      '--adapt-to-pi',
      "the policy is an ALOHA checkpoint of openpi's: turn joints and grippers as openpi does",
      false,
    )
    .option('--default-prompt <text>', 'openpi: the task of requests without a prompt')
    .option('--fps <hz>', 'actions a second', number(0.1, 1000), 30)
    .option(
      '--inference-latency <s>',
      'answer LeRobot clients no earlier than this after they asked (LeRobot: 0.033)',
      number(0, 60),
      0,
    )
    .option(
      '--obs-queue-timeout <s>',
      'let LeRobot clients wait so long for actions when there is no observation',
      number(0, 60),
      2,
    )
    .option(
      '--similarity <x>',
      'leave observations out in which no joint moved by as much; 0 leaves none out',
      number(0, 1e6),
      0.01,
    )
    .option('--deadline <s>', 'time for an inference, waiting for a turn counted in', number(0.01, 3600), 10)
    .option(
      '--max-batch <n>',
      "most clients' observations answered in one run, where the model can: for GPUs, where one run takes no longer",
      whole(1, 256),
      1,
    )
    .option(
      '--allow <path>',
      'clients may name checkpoints at or below this path, or this Hub id; repeatable',
      collect,
      [],
    )
    .option('--any-name', 'give every client the one checkpoint, whatever it names', false)
    .option('--token <text>', 'what clients must show (better: environment variable MYELIN_TOKEN)')
    .option('--tls-cert <file>', 'certificate, PEM; together with --tls-key')
    .option('--tls-key <file>', 'its private key, PEM')
    .option('--insecure', 'let the network in without token or TLS', false)
    .option(
      '--allow-random-images',
      'pi0.5: put noise in place of pictures that cannot be decoded, and say so in the answer',
      false,
    )
    .addOption(
      new Option(
        '--subtask-template <name>',
        'words in which a pi05 checkpoint is asked for subtasks, when clients want them: as it was trained',
      )
        .choices(SUBTASK_TEMPLATES.map(({ name }) => name))
        .default('task-subtask'),
    )
    .option('--state-file <file>', 'where it is kept what clients asked for, for after a restart')
    .addOption(
      new Option('--model <name>', 'arm of the scripted policy').choices(['X5', 'L5']).default('X5'),
    );
  addConfigFlag(addModelFlags(addPoolFlags(command)))
    .addHelpText(
      'after',
      `
LeRobot: python -m lerobot.async_inference.robot_client --server_address=HOST:8080 \\
           --pretrained_name_or_path=CHECKPOINT ...   (the checkpoint's path here, as given to -c)

Examples:
  myelin policy-server -c ./my_act_checkpoint
  myelin policy-server -c ./my_pi05 --openpi-port 8001 --pi05-port 8765 --device cuda
  myelin policy-server -c ./my_act --host 0.0.0.0 --token "$(openssl rand -hex 16)" --tls-cert c.pem --tls-key k.pem
  myelin policy-server --policy noop --openpi-port 8001
  myelin policy-server --config configs/async_server_example.yaml
  myelin policy-server -c ./my_pi05 --device cuda --no-lerobot --pool nats://10.0.0.2     a worker of a pool
  myelin policy-server --front --pool nats://10.0.0.2 --openpi-port 8001              serves clients from it
  myelin policy-server --upstream ws://gpu1:8000 --upstream ws://gpu2:8000            other engines behind it`,
    )
    .action(async (options: PolicyServerOptions, self: Command) => {
      const { checkpoint, policy, upstream, pool, front } = options;
      const given = [checkpoint !== undefined, policy !== undefined, upstream.length > 0, front];
      if (given.filter(Boolean).length !== 1) {
        self.error('error: give one of --checkpoint PATH, --policy noop|scripted, --upstream URL, --front', {
          exitCode: 2,
        });
      }
      if (front && pool === undefined) self.error('error: --front wants --pool nats://HOST', { exitCode: 2 });
      const { runPolicyServer } = await import('./policy-server-run.ts');
      process.exitCode = await runPolicyServer(options);
    });
  return alsoUnderscored(command);
}
