import { join } from 'node:path';
import { z } from 'zod';
import { type BenchTable, percentile } from '../../core/bench-table.ts';
import { distEntry, packageRoot } from '../../platform/entry.ts';
import { writeMessage } from '../../serving/openpi/msgpack-writer.ts';
import { fromPlain } from '../../serving/openpi/wire-value.ts';
import { encodeObservation, type ImageEncoding } from '../../serving/pi05/encode-request.ts';
import { Pi05Client } from '../../serving/pi05/pi05-client.ts';
import { startJsonLines } from './json-lines-child.ts';
import {
  type ClientEnd,
  type Payload,
  ROUND_COLUMNS,
  ROUND_NOTE,
  rounded,
  roundRows,
  type ServerEnd,
} from './serving-rounds.ts';

export interface ServingOpenpiOptions {
  /** A Python with openpi-client; without it only Myelin's client drives. */
  readonly python?: string;
  /** openpi's `websocket_policy_server.py`, which that Python runs; without it only Myelin's server is measured. */
  readonly openpiServer?: string;
  /** Requests of each client. */
  readonly requests: number;
  readonly clients: readonly number[];
  /** Told of every row as it is measured. */
  readonly onRow: (row: readonly (string | number)[]) => void;
}

const serverSchema = z.object({ pi05Port: z.number() });
const PEER = 'tools/bench/openpi_peer.py';
const CHILD = 'cli/bench/serving-child.js';
const FLOOR = 'reads nothing';

/** Round trips of a policy that does nothing, and what the forms of a picture cost. */
export async function benchServingOpenpi(options: ServingOpenpiOptions): Promise<BenchTable[]> {
  return [await roundTrips(options), await pictureForms(options)];
}

async function roundTrips(options: ServingOpenpiOptions): Promise<BenchTable> {
  const { python, openpiServer, requests, clients: counts, onRow } = options;
  const peer = join(packageRoot(), PEER);
  const child = distEntry(CHILD);
  const request = ({ cameras, height, width }: Payload) => [cameras, height, width].map(String);
  const servers: ServerEnd[] = [{ name: 'Myelin', command: () => [process.execPath, child, 'server'] }];
  const clients: ClientEnd[] = [
    {
      name: 'Myelin',
      command: (payload, port, count) =>
        [process.execPath, child, 'client', port, count].concat(request(payload)),
    },
  ];
  if (python !== undefined) {
    if (openpiServer !== undefined)
      servers.unshift({ name: 'openpi', command: () => [python, peer, 'server', openpiServer] });
    servers.unshift({ name: FLOOR, command: () => [python, peer, 'floor'] });
    clients.unshift({
      name: 'openpi-client',
      command: (payload, port, count) => [python, peer, 'client', port, count, ...request(payload)],
    });
  }
  return {
    title: 'openpi round trip with a policy that does nothing',
    command: `myelin bench serving-openpi --requests ${requests}`,
    columns: ROUND_COLUMNS,
    rows: await roundRows({ servers, clients, counts, requests: () => requests, onRow }),
    notes: [
      `7 state numbers beside the pictures, 50 x 7 float64 back, loopback. ${ROUND_NOTE}`,
      ...(openpiServer === undefined
        ? ["openpi's own server was not measured: give --openpi-server FILE."]
        : []),
      ...(python === undefined
        ? []
        : [
            `"${FLOOR}" is a Python socket in a thread for each client, dropping requests as they come and answering with bytes it keeps: what the client and the kernel take by themselves.`,
          ]),
    ],
  };
}

async function pictureForms({ requests, onRow }: ServingOpenpiOptions): Promise<BenchTable> {
  const server = startJsonLines([process.execPath, distEntry(CHILD), 'server']);
  const rgb = Uint8Array.from(
    { length: 3 * 224 * 224 },
    (_, i) => 127 + 60 * Math.sin(i / 977) + 40 * Math.sin(i / 31),
  );
  const picture = { width: 224, height: 224, rgb };
  const images = { base_0_rgb: picture, left_wrist_0_rgb: picture, right_wrist_0_rgb: picture };
  const forms: readonly ImageEncoding[] = ['nested', 'raw', 'jpeg', 'msgpack-jpeg', 'msgpack'];
  const rows: (string | number)[][] = [];
  try {
    const { pi05Port } = await server.next(serverSchema);
    for (const form of forms) {
      await using client = new Pi05Client({ url: `ws://127.0.0.1:${pi05Port}`, images: form });
      const request = { images, state: [0, 0, 0, 0, 0, 0, 0], highLevelPrompt: 'nothing' };
      for (let i = 0; i < 10; i++) await client.infer(request);
      const times: number[] = [];
      const serverMs: number[] = [];
      const count = form === 'nested' ? Math.min(requests, 200) : requests;
      for (let i = 0; i < count; i++) {
        const { client_timing, server_timing } = await client.infer(request);
        times.push(client_timing.total_ms);
        serverMs.push(server_timing.total_ms);
      }
      const sorted = Float64Array.from(times).sort();
      const inServer = Float64Array.from(serverMs).sort();
      const message = await encodeObservation(request, form);
      const bytes = form.startsWith('msgpack')
        ? writeMessage(fromPlain(message)).length
        : JSON.stringify(message).length;
      const figures = [percentile(sorted, 0.5), percentile(sorted, 0.99), percentile(inServer, 0.5)];
      const row = [form, ...[bytes / 1024, ...figures].map(rounded)];
      rows.push(row);
      onRow(row);
    }
  } finally {
    await server.close();
  }
  return {
    title: 'pi0.5 round trip by the form of its pictures',
    command: `myelin bench serving-openpi --requests ${requests}`,
    columns: ['form', 'KiB a request', 'p50 ms', 'p99 ms', 'of it in the server, p50 ms'],
    rows,
    notes: [
      "3 x 224x224 RGB, a policy that does nothing, Myelin's own client (encoding counted in), loopback. `nested` is the seed's form; the others a client chooses.",
    ],
  };
}
