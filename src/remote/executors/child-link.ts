import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Ending } from './exit-reason.ts';
import { LineSplitter } from './line-splitter.ts';
import type { LogIntake } from './log-intake.ts';
import { MOST_MESSAGE_BYTES, type RunnerMessage, runnerMessageSchema } from './runner-messages.ts';

/**
 * Where the runner's messages run: file descriptors 3 and 4, or standard input and output. With `orders`, a stop and a
 * close come on file descriptor 5, for a runner that reads its calls one by one.
 */
export type LinkPipes = 'own' | 'own, orders' | 'standard';

export interface ChildLinkOptions {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly pipes: LinkPipes;
  readonly log: LogIntake;
  readonly onMessage: (message: RunnerMessage) => void;
  /** It wrote what is no message, or one that is too long: it cannot be trusted with calls any more. */
  readonly onBroken: (why: string) => void;
  /** The process is gone, and everything it wrote has been handed over. */
  readonly onEnd: (ending: Ending) => void;
}

/** After the process, what it started may keep its pipes open; they are read for so long. */
const DRAIN_MS = 300;

/** A project's process and the JSON lines between it and us. It leads a process group of its own. */
export class ChildLink {
  readonly #child: ChildProcess;
  readonly #options: ChildLinkOptions;
  readonly #input: Writable;
  readonly #orders: Writable | undefined;
  #outgoing = '';
  #ended = false;

  constructor(options: ChildLinkOptions) {
    this.#options = options;
    const [program = '', ...args] = options.command;
    const own = options.pipes !== 'standard';
    const orders = options.pipes === 'own, orders';
    this.#child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: [own ? 'ignore' : 'pipe', ...Array<'pipe'>(orders ? 5 : own ? 4 : 2).fill('pipe')],
    });
    const { stdio, stdout, stderr } = this.#child;
    this.#input = (own ? stdio[3] : stdio[0]) as Writable;
    this.#orders = orders ? ((stdio as readonly unknown[])[5] as Writable) : undefined;
    // A child that is gone is told by its exit.
    for (const pipe of [this.#input, this.#orders]) pipe?.on('error', () => undefined);
    if (own) {
      this.#read(stdio[4] as Readable, this.#messages(false));
      this.#read(stdout, options.log.stream('stdout'));
    } else {
      this.#read(stdout, this.#messages(true));
    }
    this.#read(stderr, options.log.stream('stderr'));
    this.#child.once('error', (error) => this.#end({ code: null, signal: null, limit: undefined }, error));
    this.#child.once('exit', (code, signal) => {
      this.kill('SIGKILL'); // What it started and left behind.
      const end = () => this.#end({ code, signal });
      const timer = setTimeout(end, DRAIN_MS);
      this.#child.once('close', () => {
        clearTimeout(timer);
        end();
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Lost when the process is gone; its end is told by `onEnd`. How long the message is, characters. */
  send(message: object): number {
    const line = `${JSON.stringify(message)}\n`;
    // What is sent together is written together.
    if (this.#outgoing === '') process.nextTick(() => this.#flush());
    this.#outgoing += line;
    return line.length;
  }

  /** Overtakes the calls that were sent. A close does so wherever calls are kept, and ends the reading of them. */
  order(message: { readonly type: 'stop' | 'close'; readonly id?: number }): void {
    if (this.#orders?.writable) this.#orders.write(`${JSON.stringify(message)}\n`);
    if (this.#orders === undefined || message.type === 'close') this.send(message);
  }

  /** Signals the whole process group. */
  kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  #flush(): void {
    const text = this.#outgoing;
    this.#outgoing = '';
    if (this.#input.writable) this.#input.write(text);
  }

  #read(stream: Readable | null, splitter: LineSplitter): void {
    stream?.on('data', (chunk: Buffer) => splitter.write(chunk));
    stream?.on('end', () => splitter.end());
    stream?.on('error', () => undefined); // A pipe that breaks is followed by the exit.
  }

  #messages(shared: boolean): LineSplitter {
    return new LineSplitter(
      MOST_MESSAGE_BYTES,
      (line) => this.#line(line, shared),
      (start) => {
        if (shared && !start.startsWith('{"')) this.#options.log.line('stdout', start);
        else this.#options.onBroken(`it sent a message of more than ${MOST_MESSAGE_BYTES} bytes`);
      },
    );
  }

  /** On a shared pipe, what is not a message is what the program printed. */
  #line(line: string, shared: boolean): void {
    if (line === '' || this.#ended) return;
    const parsed = line.startsWith('{') ? runnerMessageSchema.safeParse(parseJson(line)) : undefined;
    if (parsed?.success) this.#options.onMessage(parsed.data);
    else if (shared) this.#options.log.line('stdout', line);
    else this.#options.onBroken('it wrote to the pipe that belongs to Myelin (file descriptor 4)');
  }

  #end(ending: Ending, error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const stream of this.#child.stdio) stream?.destroy();
    if (error !== undefined) this.#options.log.line('stderr', `could not be started: ${error.message}`);
    this.#options.onEnd(ending);
  }
}

const parseJson = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // Told by the caller, which knows whose line it is.
  }
};
