import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchTable, percentile } from '../../core/bench-table.ts';
import { writeBenchArchive } from './bench-archive.ts';
import { MeasuringClient } from './measuring-client.ts';
import { RIVAL_PACKAGES, rivalPython } from './remote-environment.ts';
import { type RemoteSystem, startMyelin, startRival } from './remote-systems.ts';
import { removeScratch, scratchFolder } from './scratch.ts';

export interface RemoteBenchOptions {
  /** Calls of each row. */
  readonly calls: number;
  /** Sizes of uploads, MB. */
  readonly sizes: readonly number[];
  /** Uploads of 1 MB; larger ones are fewer, three at least. */
  readonly uploads: number;
  readonly reconnects: number;
  readonly rollbacks: number;
  /** Told each row as soon as it is measured. */
  readonly onRow: (row: readonly Cell[]) => void;
}

type Protocol = 'socket.io' | 'websocket';
type Cell = string | number;
const PROTOCOLS: readonly Protocol[] = ['socket.io', 'websocket'];
const SHOWN = { 'socket.io': 'Socket.IO', websocket: '/ws' } as const;
const IN_FLIGHT = [1, 50];
/** Each row is measured in so many turns, this side and the other one after the other. */
const TURNS = 5;
const WARM_UP_CALLS = 50;
const STOP_PAUSE_MS = 5;
const IDLE_S = 4;

const rounded = (value: number): number => Number(value.toPrecision(3));
const sorted = (ms: readonly number[]) => Float64Array.from(ms).sort();
const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** Remote control beside a Python server of the same shape: calls, uploads, stops meanwhile, reconnecting, rolling back. */
export async function benchRemote(options: RemoteBenchOptions): Promise<BenchTable[]> {
  const rival = rivalPython();
  const folder = scratchFolder();
  const systems: RemoteSystem[] = [];
  try {
    systems.push(await startMyelin());
    if ('python' in rival) systems.push(await startRival(rival.python));
    const bench = new RemoteBench(systems, folder, options);
    await bench.deploy();
    const beside =
      'python' in rival
        ? `The other is tools/bench/remote_rival.py: ${RIVAL_PACKAGES}, uvloop and httptools; it forwards the same and has no tokens, no lease, no sandbox, no checks of the archive, no versions, and syncs nothing to the disk.`
        : `The server in Python was not measured: ${rival.why}.`;
    const command = `myelin bench remote --calls ${options.calls} --sizes ${options.sizes.join(',')} --uploads ${options.uploads}`;
    return [
      { ...(await bench.calls()), command, notes: [...CALL_NOTES, beside] },
      { ...(await bench.uploads()), command, notes: [...UPLOAD_NOTES, beside] },
      { ...(await bench.returns()), command, notes: [...RETURN_NOTES, beside] },
    ];
  } finally {
    await Promise.all(systems.map((system) => system.close()));
    removeScratch(folder);
  }
}

const CALL_NOTES = [
  'A Python function that returns its argument, called by a stock `socket.io-client` or `ws` in a process of its own, from asking to its result, over loopback. Each row in five turns, one server after the other.',
  'Myelin runs the project in a process of its own behind the worker, in its sandbox; the server in Python in the worker itself, one hop less.',
];
const UPLOAD_NOTES = [
  'From sending an archive of bytes that no compression makes smaller to the answer that it is in use. Meanwhile a second client asks for stops, 5 ms after the answer to the last. MB are 10^6 bytes of archive; base64 of 100 MB needs `--max-message-size` raised, as here.',
  'Myelin checks, hashes and syncs to the disk what is uploaded, keeps it as a version and copies it for people to look at.',
];
const RETURN_NOTES = [
  'Reconnecting: from opening a connection to the result of a first call over it; the project stayed loaded. Rolling back: from asking to the answer, and to the result of a first call by the other version, whose process starts anew.',
];

class RemoteBench {
  readonly #systems: readonly RemoteSystem[];
  readonly #folder: string;
  readonly #options: RemoteBenchOptions;
  #archives = 0;

  constructor(systems: readonly RemoteSystem[], folder: string, options: RemoteBenchOptions) {
    this.#systems = systems;
    this.#folder = folder;
    this.#options = options;
  }

  /** Puts the project that is called on every system. */
  async deploy(): Promise<void> {
    for (const system of this.#systems) await this.#deploy(system, 0);
  }

  async calls() {
    const rows = this.#rows();
    for (const protocol of PROTOCOLS) {
      for (const inFlight of IN_FLIGHT) {
        const clients = await Promise.all(this.#systems.map((system) => this.#client(system, protocol)));
        const times = clients.map((): number[] => []);
        const seconds = clients.map(() => 0);
        try {
          const count = Math.ceil(this.#options.calls / TURNS);
          for (let turn = 0; turn <= TURNS; turn++) {
            for (const [i, client] of clients.entries()) {
              const task = { do: 'calls', inFlight, count: turn === 0 ? WARM_UP_CALLS : count } as const;
              const startedMs = performance.now();
              const { ms } = await client.carryOut(task);
              if (turn === 0) continue;
              seconds[i] = (seconds[i] ?? 0) + (performance.now() - startedMs) / 1000;
              times[i]?.push(...ms);
            }
          }
        } finally {
          await Promise.all(clients.map((client) => client.close()));
        }
        const p99s = times.map((ms) => percentile(sorted(ms), 0.99));
        for (const [i, system] of this.#systems.entries()) {
          const ms = sorted(times[i] ?? []);
          const ratio = (p99s[i] ?? Number.NaN) / (p99s.at(-1) ?? Number.NaN);
          rows.push([
            ...[SHOWN[protocol], inFlight, system.name, ms.length],
            ...[percentile(ms, 0.5), percentile(ms, 0.99), ms.length / (seconds[i] ?? 0), ratio].map(rounded),
          ]);
        }
      }
    }
    return {
      title: 'Remote control: a call and its result',
      columns: ['protocol', 'in flight', 'server', 'calls', 'p50 ms', 'p99 ms', 'calls/s', 'ratio of p99'],
      rows: rows.all,
    };
  }

  async uploads() {
    const rows = this.#rows();
    for (const system of this.#systems) rows.push(await this.#idleStops(system));
    for (const size of this.#options.sizes) {
      const count = Math.max(3, Math.round(this.#options.uploads / size));
      const ways: (readonly [RemoteSystem, Protocol | 'PUT'])[] = PROTOCOLS.flatMap((protocol) =>
        this.#systems.map((system) => [system, protocol] as const),
      );
      for (const system of this.#systems) if (system.tokens.admin !== undefined) ways.push([system, 'PUT']);
      const times = ways.map((): { uploads: number[]; stops: number[] } => ({ uploads: [], stops: [] }));
      for (let turn = 0; turn < count; turn++) {
        for (const [i, [system, way]] of ways.entries()) {
          const { uploads, stops } = await this.#upload(system, way, size);
          times[i]?.uploads.push(...uploads);
          times[i]?.stops.push(...stops);
        }
      }
      for (const [i, [system, way]] of ways.entries()) {
        const uploads = sorted(times[i]?.uploads ?? []);
        const label = way === 'PUT' ? 'PUT, streamed' : `${SHOWN[way]}, base64`;
        rows.push([
          ...[`${size} MB, ${label}`, system.name, uploads.length],
          ...[percentile(uploads, 0.5) / 1000, (uploads.at(-1) ?? Number.NaN) / 1000].map(rounded),
          ...stopCells(times[i]?.stops ?? []),
        ]);
      }
    }
    return {
      title: 'Remote control: uploads, and stops meanwhile',
      columns: [
        ...['upload', 'server', 'uploads', 'p50 s', 'longest s'],
        ...['stops', 'stop p50 ms', 'stop p99 ms', 'stop longest ms'],
      ],
      rows: rows.all,
    };
  }

  async returns() {
    const rows = this.#rows();
    const row = (what: string, { name }: RemoteSystem, times: readonly number[]) => {
      const ms = sorted(times);
      rows.push([
        ...[what, name, ms.length],
        ...[percentile(ms, 0.5), percentile(ms, 0.99), ms.at(-1) ?? Number.NaN].map(rounded),
      ]);
    };
    for (const protocol of PROTOCOLS) {
      const clients = await Promise.all(this.#systems.map((system) => this.#client(system, protocol)));
      const times = clients.map((): number[] => []);
      try {
        const count = Math.ceil(this.#options.reconnects / TURNS);
        for (const client of clients) await client.carryOut({ do: 'calls', inFlight: 1, count: 1 });
        for (let turn = 0; turn < TURNS; turn++)
          for (const [i, client] of clients.entries())
            times[i]?.push(...(await client.carryOut({ do: 'reconnects', count })).ms);
      } finally {
        await Promise.all(clients.map((client) => client.close()));
      }
      for (const [i, system] of this.#systems.entries())
        row(`reconnect over ${SHOWN[protocol]}, first call answered`, system, times[i] ?? []);
    }
    for (const system of this.#systems.filter(({ tokens }) => tokens.admin !== undefined)) {
      for (const size of [0, ...this.#options.sizes.slice(-1)]) {
        // The two versions that it goes back and forth between.
        for (let i = 0; i < 2; i++) await this.#deploy(system, size);
        const client = await this.#client(system, 'socket.io');
        try {
          const { ms, answeredMs } = await client.carryOut({
            do: 'rollbacks',
            count: this.#options.rollbacks,
          });
          const what = `roll back ${size === 0 ? 'a small project' : `a project of ${size} MB`}`;
          row(`${what}, answered`, system, answeredMs);
          row(`${what}, first call answered`, system, ms);
        } finally {
          await client.close();
        }
      }
    }
    return {
      title: 'Remote control: coming back',
      columns: ['what', 'server', 'times', 'p50 ms', 'p99 ms', 'longest ms'],
      rows: rows.all,
    };
  }

  /** Rows that are told when they are added. */
  #rows(): { readonly all: Cell[][]; push(row: Cell[]): void } {
    const all: Cell[][] = [];
    return {
      all,
      push: (row) => {
        all.push(row);
        this.#options.onRow(row);
      },
    };
  }

  async #idleStops(system: RemoteSystem): Promise<Cell[]> {
    const client = await this.#client(system, 'socket.io', 'observe');
    try {
      const { ms } = await client.stopsWhile(STOP_PAUSE_MS, () => pause(IDLE_S * 1000));
      return ['none', system.name, 0, '', '', ...stopCells(ms)];
    } finally {
      await client.close();
    }
  }

  async #upload(system: RemoteSystem, way: Protocol | 'PUT', size: number) {
    const file = this.#archive(size);
    const uploader = await this.#client(system, way === 'PUT' ? 'socket.io' : way);
    const stopper = await this.#client(system, 'socket.io', 'observe');
    try {
      let uploads: readonly number[] = [];
      const { ms: stops } = await stopper.stopsWhile(STOP_PAUSE_MS, async () => {
        uploads = (await uploader.carryOut({ do: way === 'PUT' ? 'put' : 'upload', file })).ms;
      });
      return { uploads, stops };
    } finally {
      await Promise.all([uploader.close(), stopper.close()]);
      rmSync(file, { force: true });
    }
  }

  async #deploy(system: RemoteSystem, size: number): Promise<void> {
    const file = this.#archive(size);
    const client = await this.#client(system, 'socket.io');
    try {
      await client.carryOut({ do: system.tokens.admin === undefined ? 'upload' : 'put', file });
      await client.carryOut({ do: 'calls', inFlight: 1, count: 1 });
    } finally {
      await client.close();
      rmSync(file, { force: true });
    }
  }

  /** A new archive of so many MB: 0 is a project of a few kB. */
  #archive(megabytes: number): string {
    const file = join(this.#folder, `${++this.#archives}.zip`);
    writeBenchArchive(file, megabytes === 0 ? 0.004 : megabytes);
    return file;
  }

  #client({ url, tokens }: RemoteSystem, protocol: Protocol, right: 'admin' | 'observe' = 'admin') {
    const token = tokens[right];
    return MeasuringClient.start({ protocol, url, ...(token === undefined ? {} : { token }) });
  }
}

function stopCells(stops: readonly number[]): Cell[] {
  const ms = sorted(stops);
  const figures = [percentile(ms, 0.5), percentile(ms, 0.99), ms.at(-1) ?? Number.NaN].map(rounded);
  return [ms.length, ...figures];
}
