import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type Started, start } from './processes.ts';

/** Debian keeps it where PATH of a plain user does not look. */
const program = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  .map((folder) => join(folder, 'nats-server'))
  .find((file) => existsSync(file));

/** Why tests that need a NATS server are skipped; undefined when there is one. */
export const noNatsServer =
  program === undefined ? 'there is no nats-server here (Debian: apt-get install nats-server)' : undefined;

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  /** Ends it at once. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

/**
 * Starts a NATS server of its own on a free port.
 * @param settings lines of its configuration file
 */
export async function startNatsServer(...settings: string[]): Promise<NatsServer> {
  const port = await freePort();
  const launch = async (): Promise<Started> => {
    const folder = mkdtempSync(join(tmpdir(), 'myelin-nats-'));
    const file = join(folder, 'nats.conf');
    writeFileSync(file, settings.join('\n'));
    const server = start([program ?? 'nats-server', '-c', file, '-a', '127.0.0.1', '-p', String(port)]);
    await server.says(/Server is ready/);
    void server.exited.then(() => rmSync(folder, { recursive: true, force: true }));
    return server;
  };
  let running = await launch();
  return {
    port,
    url: `nats://127.0.0.1:${port}`,
    kill: async () => {
      running.child.kill('SIGKILL');
      await running.exited;
    },
    restart: async () => {
      running.child.kill('SIGKILL');
      await running.exited;
      running = await launch();
    },
  };
}
