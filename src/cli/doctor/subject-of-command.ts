import type { Command } from 'commander';
import { MyelinError } from '../../core/errors.ts';
import { policyServerCommand } from '../policy-server.ts';
import type { PolicyServerOptions } from '../policy-server-run.ts';
import { robotClientCommand } from '../robot-client.ts';
import type { RobotClientOptions } from '../robot-client-run.ts';
import type { CheckName } from './check-names.ts';
import { parseServer, SERVER_SYNTAX, type ServerAddress } from './server-address.ts';
import type { Subject } from './subject.ts';

/** Commands whose needs can be looked at before they are started. */
export const CHECKED_COMMANDS = ['policy-server', 'robot-client'] as const;
export type CheckedCommand = (typeof CHECKED_COMMANDS)[number];

type Needs = Partial<Subject> & { readonly names: readonly CheckName[] };

/**
 * What a command needs of this machine and the network, from its own options, `--config` among them.
 * @throws CommanderError for options the command would refuse, MyelinError INVALID_ARGUMENT for an address
 */
export const needsOf = (name: CheckedCommand, args: readonly string[]): Promise<Needs> =>
  name === 'policy-server' ? needsOfServer(args) : needsOfClient(args);

async function needsOfServer(args: readonly string[]): Promise<Needs> {
  const options = await optionsOf<PolicyServerOptions>(policyServerCommand(), args);
  const { checkpoint, lerobot, port, openpiPort, pi05Port, upstream, pool, host, device } = options;
  const servers = [...upstream, ...(pool === undefined ? [] : [pool])];
  const ports = [lerobot ? port : undefined, openpiPort, pi05Port].flatMap((each) =>
    each === undefined || each === 0 ? [] : each,
  );
  return {
    names: [
      'node',
      'machine',
      'gpu',
      'checkpoint',
      ...(ports.length > 0 ? (['ports', 'firewall'] as const) : []),
      ...(servers.length > 0 ? (['server'] as const) : []),
    ],
    ports,
    host,
    device,
    checkpoint,
    servers: servers.map((address) => serverOf(address, pool === address ? '--pool' : '--upstream')),
  };
}

async function needsOfClient(args: readonly string[]): Promise<Needs> {
  const options = await optionsOf<RobotClientOptions>(robotClientCommand(), args);
  const { serverAddress, cameraId, dryRun, segment, tls, tlsCa, token, fps } = options;
  const filmed = cameraId.length > 0 && !dryRun;
  return {
    names: ['node', 'machine', 'realtime', ...(filmed ? (['cameras'] as const) : []), 'control', 'server'],
    servers: [serverOf(serverAddress, '--server-address')],
    cameras: cameraId,
    segment,
    tls,
    tlsCa,
    fps,
    ...(token === undefined ? {} : { token }),
  };
}

/** @throws MyelinError INVALID_ARGUMENT */
function serverOf(address: string, option: string): ServerAddress {
  try {
    return parseServer(address);
  } catch {
    // An address may hold a password.
    const value = address.replace(/\/\/[^/@]*@/, '//');
    throw new MyelinError('INVALID_ARGUMENT', { name: option, value, allowed: SERVER_SYNTAX });
  }
}

/** The options as the command itself would see them; it is not run. */
async function optionsOf<Options>(command: Command, args: readonly string[]): Promise<Options> {
  let seen: Options | undefined;
  command.exitOverride().action((options: Options) => {
    seen = options;
  });
  await command.parseAsync(args, { from: 'user' });
  if (seen === undefined) throw new TypeError('the command gave no options');
  return seen;
}
