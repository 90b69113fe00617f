import { join } from 'node:path';
import type { BenchTable } from '../../core/bench-table.ts';
import { distEntry, packageRoot } from '../../platform/entry.ts';
import {
  type ClientEnd,
  type Payload,
  ROUND_COLUMNS,
  ROUND_NOTE,
  roundRows,
  type ServerEnd,
} from './serving-rounds.ts';

export interface ServingOptions {
  /** A Python with torch, grpcio and protobuf; without it only Myelin's client drives. */
  readonly python?: string;
  /** The folder that holds the `lerobot` package, 0.6. */
  readonly lerobot?: string;
  /** Requests of each client. */
  readonly requests: number;
  readonly clients: readonly number[];
  /** Told of every row as it is measured. */
  readonly onRow: (row: readonly (string | number)[]) => void;
}

const PEER = 'tools/bench/lerobot_peer.py';
const LEROBOT = 'LeRobot';
const FLOOR = 'reads nothing';

/** A stock server gives observations to whoever asks: clients then wait seconds, and fewer requests must do. */
const CROWDED_REQUESTS = 2;

const sizes = ({ height, width }: Payload) => [height, width].map(String);

/** Round trips of a policy that does nothing, over LeRobot's protocol: their server and ours, their client and ours. */
export async function benchServing(options: ServingOptions): Promise<BenchTable[]> {
  const { python, lerobot, requests } = options;
  const child = distEntry('cli/bench/serving-lerobot-child.js');
  const ours: ServerEnd = { name: 'Myelin', command: () => [process.execPath, child, 'server'] };
  const driver: ClientEnd = {
    name: 'Myelin',
    command: (payload, port, count) =>
      [process.execPath, child, 'client', port, count, String(payload.cameras)].concat(sizes(payload)),
  };
  const peer =
    python === undefined || lerobot === undefined
      ? undefined
      : ['env', `LEROBOT=${lerobot}`, python, join(packageRoot(), PEER)];
  const servers = [ours];
  const clients = [driver];
  if (peer !== undefined) {
    const stock = (role: string) => (payload: Payload) => [...peer, role, ...sizes(payload)];
    servers.unshift({ name: FLOOR, command: stock('floor') }, { name: LEROBOT, command: stock('server') });
    clients.unshift({
      name: LEROBOT,
      command: (payload, port, count) => [
        ...peer,
        'client',
        port,
        count,
        String(payload.cameras),
        ...sizes(payload),
      ],
    });
  }
  const rows = await roundRows({
    servers,
    clients,
    counts: options.clients,
    onRow: options.onRow,
    requests: (server, client, count) => {
      // Our client refuses an answer to another observation, and another client's actions, which a stock server
      // hands out.
      if (client === 'Myelin' && (server === FLOOR || (server === LEROBOT && count > 1))) return undefined;
      return server === LEROBOT && count > 1 ? Math.min(requests, CROWDED_REQUESTS) : requests;
    },
  });
  return [
    {
      title: 'LeRobot round trip with a policy that does nothing',
      command: `myelin bench serving --requests ${requests}`,
      columns: ROUND_COLUMNS,
      rows,
      notes: [
        `An observation there (SendObservations), 50 x 7 actions back (GetActions), loopback, no inference latency. ${ROUND_NOTE}`,
        "Myelin's client asks Myelin's server with one call of its own service, and LeRobot's server with LeRobot's two.",
        peer === undefined
          ? "LeRobot's own server and client were not measured: give --python and --lerobot-src."
          : `"${FLOOR}" is Python's gRPC server dropping observations as they come and answering with bytes it keeps: what LeRobot's client and transport take by themselves.`,
      ],
    },
  ];
}
