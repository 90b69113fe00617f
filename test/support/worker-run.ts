import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Dealer } from 'zeromq';
import { pack } from '../../src/remote/archive/pack.ts';
import { readProjectFolder } from '../../src/remote/projects/project-folder.ts';
import type { Reply, WorkerStatus } from '../../src/remote/protocol/ipc.ts';
import { until } from './processes.ts';

type Message = Record<string, unknown>;

/**
 * A worker process of its own with a folder of its own, and the command socket of somebody who talks to it. It serves
 * several tests; whoever started it closes it.
 */
export class WorkerRun {
  readonly #worker: ChildProcess;
  readonly #dealer: Dealer;
  readonly #uploads: string;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #sending: Promise<unknown> = Promise.resolve();
  #nextId = 0;

  private constructor(worker: ChildProcess, address: string, uploads: string) {
    this.#worker = worker;
    this.#uploads = uploads;
    this.#dealer = new Dealer({ linger: 0 });
    this.#dealer.connect(address);
    void this.#listen();
  }

  /** @param root an empty folder: its storage @param flags of `myelin worker` */
  static async start(root: string, flags: readonly string[]): Promise<WorkerRun> {
    const command = `ipc://${join(root, 'cmd.ipc')}`;
    const callback = `ipc://${join(root, 'callback.ipc')}`;
    const sockets = ['--command-socket', command, '--callback-socket', callback];
    const worker = spawn(
      process.execPath,
      [resolve('dist/cli/main.js'), 'worker', '--storage', root, ...sockets, ...flags],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let output = '';
    worker.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    await until('the worker is ready', () => output.includes('Worker ready'), 60_000);
    return new WorkerRun(worker, command, join(root, 'projects', 'uploads'));
  }

  /** Sends a command and resolves with its final answer. */
  ask(message: Message): Promise<Reply> {
    const id = ++this.#nextId;
    const text = JSON.stringify({ reply: 'result', ...message, id });
    this.#sending = this.#sending.then(() => this.#dealer.send(text));
    return new Promise((done) => this.#waiting.set(id, done));
  }

  call(object: string | null, method: string, args: unknown = {}): Promise<Reply> {
    return this.ask({ command: 'process', params: { object, method, args } });
  }

  /** Packs a folder as `myelin project push` does, and gives it to the worker as the gateway does. */
  async update(project: string, folder: string): Promise<Reply> {
    const { files } = await readProjectFolder(folder);
    const file = join(this.#uploads, `test-${this.#nextId}.zip`);
    await writeFile(file, pack(folder, files));
    try {
      return await this.ask({ command: 'update', data: { project, file: basename(file) } });
    } finally {
      rmSync(file, { force: true });
    }
  }

  async status(): Promise<WorkerStatus> {
    return (await this.ask({ command: 'status' })).data as WorkerStatus;
  }

  async close(): Promise<void> {
    this.#dealer.close();
    const exited = once(this.#worker, 'exit');
    if (this.#worker.exitCode === null && this.#worker.kill('SIGTERM')) await exited;
  }

  async #listen(): Promise<void> {
    try {
      for await (const [message] of this.#dealer) {
        const reply = JSON.parse(String(message)) as Reply;
        if (reply.final !== false) this.#waiting.get(Number(reply.id))?.(reply);
      }
    } catch {
      // Closed at the end of the test.
    }
  }
}
