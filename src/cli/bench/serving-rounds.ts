import { z } from 'zod';
import { percentile } from '../../core/bench-table.ts';
import { type JsonLinesChild, startJsonLines, usage } from './json-lines-child.ts';

/** What an observation holds. */
export interface Payload {
  readonly title: string;
  readonly cameras: number;
  readonly height: number;
  readonly width: number;
}

export const PAYLOADS: readonly Payload[] = [
  { title: '2 x 640x480', cameras: 2, height: 480, width: 640 },
  { title: '3 x 224x224', cameras: 3, height: 224, width: 224 },
];

/** One end of the round trip: a name for the table, and the process that is it. */
export interface ServerEnd {
  readonly name: string;
  readonly command: (payload: Payload) => readonly string[];
}

export interface ClientEnd {
  readonly name: string;
  readonly command: (payload: Payload, port: string, requests: string) => readonly string[];
}

export interface RoundsPlan {
  readonly servers: readonly ServerEnd[];
  readonly clients: readonly ClientEnd[];
  /** Numbers of clients at once. */
  readonly counts: readonly number[];
  /** Requests of each client for that row; undefined leaves the row out. */
  readonly requests: (server: string, client: string, count: number) => number | undefined;
  /** Told of every row as it is measured. */
  readonly onRow: (row: readonly (string | number)[]) => void;
}

export const ROUND_COLUMNS = [
  'pictures',
  'server',
  'client',
  'clients',
  'p50 ms',
  'p99 ms',
  'requests/s',
  'server CPU ms/request',
  'server MiB',
];

/** Says what `ROUND_COLUMNS` hold, for the table's notes. */
export const ROUND_NOTE =
  'Each server and each client is a process; every row starts afresh and leaves its first round out.';

const readySchema = z.object({ ready: z.literal(true) });
const roundSchema = z.object({ ms: z.array(z.number()) });
const serverSchema = z.object({ port: z.number() });

export const rounded = (value: number): number => Number(value.toPrecision(3));

/** A row for each payload, client, number of clients and server, servers side by side. */
export async function roundRows({
  servers,
  clients,
  counts,
  requests,
  onRow,
}: RoundsPlan): Promise<(string | number)[][]> {
  const rows: (string | number)[][] = [];
  for (const payload of PAYLOADS) {
    for (const client of clients) {
      for (const count of counts) {
        for (const server of servers) {
          const each = requests(server.name, client.name, count);
          if (each === undefined) continue;
          const figures = await measure({ server, client, payload, count, requests: each });
          const row = [payload.title, server.name, client.name, count, ...figures];
          rows.push(row);
          onRow(row);
        }
      }
    }
  }
  return rows;
}

interface Row {
  readonly server: ServerEnd;
  readonly client: ClientEnd;
  readonly payload: Payload;
  readonly count: number;
  readonly requests: number;
}

async function measure({ server: end, client, payload, count, requests }: Row): Promise<number[]> {
  const server = startJsonLines(end.command(payload));
  const clients: JsonLinesChild[] = [];
  try {
    const { port } = await server.next(serverSchema);
    for (let i = 0; i < count; i++)
      clients.push(startJsonLines(client.command(payload, String(port), String(requests))));
    await Promise.all(clients.map((each) => each.next(readySchema)));
    const round = async () => {
      for (const each of clients) each.nudge();
      return (await Promise.all(clients.map((each) => each.next(roundSchema)))).flatMap(({ ms }) => ms);
    };
    await round();
    const before = usage(server.pid);
    const startedMs = performance.now();
    const times = Float64Array.from(await round()).sort();
    const seconds = (performance.now() - startedMs) / 1000;
    const after = usage(server.pid);
    const total = count * requests;
    const cpuMs = (1000 * (after.cpuS - before.cpuS)) / total;
    return [percentile(times, 0.5), percentile(times, 0.99), total / seconds, cpuMs, after.memoryMiB].map(
      rounded,
    );
  } finally {
    await Promise.all([...clients, server].map((each) => each.close()));
  }
}
