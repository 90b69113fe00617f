import { type Command, InvalidArgumentError, Option } from 'commander';
import { whole } from './option-values.ts';
import { OPENPI_SYNTAX, SCHEMES } from './remote-policy-address.ts';

/** How a policy server shares its work with other machines. */
export interface PoolFlags {
  /** `openpi://` addresses of other engines' servers. */
  readonly upstream: readonly string[];
  readonly upstreamConnections: number;
  readonly pool?: string;
  readonly poolName: string;
  readonly poolModel?: string;
  readonly poolCreds?: string;
  readonly poolCa?: string;
  readonly front: boolean;
}

const upstream = (text: string, previous: readonly string[]): string[] => {
  // A WebSocket's own scheme means the same.
  const address = text.replace(/^ws(s?):/, 'openpi$1:');
  if (!URL.canParse(address) || !SCHEMES.has(new URL(address).protocol))
    throw new InvalidArgumentError(`must be ws://HOST:PORT or ${OPENPI_SYNTAX}.`);
  return [...previous, address];
};

/** Adds `--upstream`, `--pool` and what belongs to them. */
export const addPoolFlags = (command: Command): Command =>
  command
    .option(
      '--upstream <url>',
      "in place of a checkpoint: another engine's server (openpi, SGLang, vLLM-Omni); repeatable, all of the same policy",
      upstream,
      [],
    )
    .option('--upstream-connections <n>', 'requests at once to each upstream', whole(1, 256), 1)
    .addOption(
      new Option(
        '--pool <url>',
        'be a worker of the pool at this NATS server: nats://HOST or tls://HOST (better with a password: environment variable MYELIN_POOL)',
      ).env('MYELIN_POOL'),
    )
    .option('--front', 'with --pool, in place of a checkpoint: serve clients from the pool', false)
    .option('--pool-name <name>', 'which pool at that NATS server', 'default')
    .option('--pool-model <name>', "the model's name in the pool (default: the checkpoint's folder)")
    .option('--pool-creds <file>', 'credentials for the NATS server, as nsc writes them')
    .option('--pool-ca <file>', "authority of the NATS server's certificate, PEM");
