import { readFileSync } from 'node:fs';
import { MyelinError } from '../../core/errors.ts';
import { acceleratorsCheck } from './accelerators.ts';
import { armBusCheck } from './arm-bus.ts';
import { camerasCheck } from './cameras.ts';
import type { Check } from './check.ts';
import type { CheckName } from './check-names.ts';
import { checkpointCheck } from './checkpoint.ts';
import { controlCheck } from './control.ts';
import { firewallCheck } from './firewall.ts';
import { machineCheck } from './machine.ts';
import { nodeVersionCheck } from './node-version.ts';
import { portsCheck, USUAL_PORTS } from './ports.ts';
import { realtimeCheck } from './realtime.ts';
import { serverCheck } from './server.ts';
import type { ServerAddress } from './server-address.ts';

/** What is looked at. */
export interface Subject {
  readonly names: readonly CheckName[];
  readonly servers: readonly ServerAddress[];
  readonly token?: string | undefined;
  readonly tls: boolean;
  /** PEM file. */
  readonly tlsCa?: string | undefined;
  readonly checkpoint?: string | undefined;
  /** Ports that must be free; empty for a look at the usual ones. */
  readonly ports: readonly number[];
  /** Address they would be listened at. */
  readonly host: string;
  readonly cameras: readonly string[];
  readonly interfaces: readonly string[];
  readonly device: string;
  /** The arm's segment, where a control process is wanted. */
  readonly segment?: string | undefined;
  /** Round trips of a latency baseline. */
  readonly rounds: number;
  /** Actions a second, to say what a latency means. */
  readonly fps: number;
  /** Time for one answer of a server, ms. */
  readonly timeoutMs: number;
}

/** @throws MyelinError FILE_NOT_FOUND */
export function checksOf(subject: Subject): Check[] {
  const { servers, checkpoint, ports, host, segment, rounds, fps, timeoutMs } = subject;
  const { token, tls, tlsCa } = subject;
  const access = { token, tls: tlsCa === undefined ? tls || undefined : readAuthority(tlsCa) };
  const all: readonly (Check | undefined)[] = [
    nodeVersionCheck(),
    machineCheck(),
    acceleratorsCheck(subject.device),
    realtimeCheck(),
    camerasCheck(subject.cameras),
    armBusCheck(subject.interfaces),
    segment === undefined ? undefined : controlCheck(segment),
    portsCheck(ports, host),
    firewallCheck(ports.length > 0 ? ports : [...USUAL_PORTS.keys()], host),
    checkpoint === undefined ? undefined : checkpointCheck(checkpoint),
    ...servers.map((address) => serverCheck(address, access, { rounds, fps, timeoutMs })),
  ];
  return all.flatMap((check) =>
    check !== undefined && subject.names.some((name) => name === check.name) ? check : [],
  );
}

function readAuthority(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
  }
}
