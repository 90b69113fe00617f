import type { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import type { Authenticator, Identity } from '../auth/authenticator.ts';
import { type Answer, failure, success } from '../protocol/answer.ts';
import type { Command } from '../protocol/ipc.ts';
import type { OperatorInfo } from '../protocol/notice.ts';
import type { ProcessParams } from '../protocol/requests.ts';
import type { Right } from '../protocol/right.ts';
import type { Lifted } from './lift-base64.ts';
import type { Contender, OperatorLease } from './operator-lease.ts';
import type { Uploads } from './uploads.ts';
import type { WorkerLink } from './worker-link.ts';

export type ArmRequest = 'start' | 'pause' | 'reset' | 'stop';

export interface CommandDeskOptions {
  readonly authenticator: Authenticator;
  readonly lease: OperatorLease;
  readonly link: WorkerLink;
  readonly uploads: Uploads;
  /** Sets request bits in the arm's segment at once. */
  readonly armRequest: (request: ArmRequest) => { readonly ok: boolean; readonly text: string };
  readonly maxMessageBytes: number;
  readonly maxExecutionMs: number;
  readonly nowMs: () => number;
  /** Told of every request that was answered. */
  readonly onAnswered: (answered: Answered) => void;
}

export interface Answered {
  readonly protocol: string;
  readonly command: string;
  readonly who: string;
  readonly answer: Answer;
  readonly ms: number;
}

/** Somebody who asks: a connection that can hold the lease, or an HTTP request, which can not. */
export interface Asker {
  readonly identity: Identity;
  readonly protocol: string;
  readonly contender?: Contender;
  /** A connection that holds no lease unless it asked for it. Its requests are judged like those over HTTP. */
  readonly watch?: boolean;
}

/** Unpacking and installing what a project needs takes its time. */
const UPDATE_DEADLINE_MS = 15 * 60_000;
/** Loading the project, a minute at most, and the worker's own deadline come first and say more. */
const GRACE_MS = 65_000;

/** What clients may ask for, in one place whatever protocol they speak. Nothing here throws: every request is answered. */
export class CommandDesk {
  readonly #options: CommandDeskOptions;

  constructor(options: CommandDeskOptions) {
    this.#options = options;
  }

  /** A ZIP archive in base64. */
  update(asker: Asker, base64: Lifted, project: string | undefined): Promise<Answer> {
    return this.answer(asker, 'update', async () => {
      this.allow(asker, 'deploy');
      const { uploads, maxMessageBytes } = this.#options;
      return await this.install(await uploads.fromBase64(base64, maxMessageBytes), project);
    });
  }

  /** Gives an archive that lies in the uploads folder to the worker. */
  async install(file: string, project: string | undefined): Promise<Answer> {
    const { uploads, link } = this.#options;
    try {
      const data = { file, ...(project === undefined ? {} : { project }) };
      return await link.send({ command: 'update', data }, { deadlineMs: UPDATE_DEADLINE_MS });
    } finally {
      await uploads.discard(file);
    }
  }

  /** Switches to a version, or to the one before; the worker ends what runs of the project. */
  rollback(asker: Asker, project: string, version: string | undefined): Promise<Answer> {
    return this.answer(asker, 'rollback', async () => {
      this.allow(asker, 'deploy');
      const data = { project, ...(version === undefined ? {} : { version }) };
      return await this.#options.link.send({ command: 'rollback', data }, { deadlineMs: UPDATE_DEADLINE_MS });
    });
  }

  /** Removes what `remove` removes of a project, and has the worker let go of it. */
  remove(asker: Asker, project: string, remove: () => Promise<void>): Promise<Answer> {
    return this.answer(asker, 'remove', async () => {
      this.allow(asker, 'deploy');
      await remove();
      // Without a worker nothing of it runs; the next one looks anew.
      if (this.#options.link.state === 'ready') await this.command({ command: 'restart', data: { project } });
      return success('Removed');
    });
  }

  start(asker: Asker, project: string | undefined): Promise<Answer> {
    return this.answer(asker, 'start', async () => {
      this.allow(asker, 'operate');
      return await this.command({ command: 'start', data: project === undefined ? {} : { project } });
    });
  }

  process(asker: Asker, params: ProcessParams, onAcknowledged?: () => void): Promise<Answer> {
    return this.answer(asker, 'process', async () => {
      this.allow(asker, 'operate');
      const deadlineMs = this.#options.maxExecutionMs + GRACE_MS;
      return await this.#options.link.send(
        { command: 'process', data: {}, params },
        { deadlineMs, onAcknowledged },
      );
    });
  }

  /** Sends a command that takes no longer than a call may. */
  command(command: Omit<Command, 'id'>): Promise<Answer> {
    return this.#options.link.send(command, { deadlineMs: this.#options.maxExecutionMs + GRACE_MS });
  }

  /** First the deed; asking who may is done by whoever accepted the connection, and everybody may. */
  stop(asker: Asker): Answer {
    const { ok, text } = this.#options.armRequest('stop');
    return this.#answered(
      asker,
      'stop',
      this.#options.nowMs(),
      ok ? success(text) : failure(new Error(text)),
    );
  }

  /** Start, pause, reset of the arm. Only a stop and a pause pass while another operates. */
  arm(asker: Asker, request: ArmRequest): Promise<Answer> | Answer {
    if (request === 'stop') return this.stop(asker);
    return this.answer(asker, request, async () => {
      if (request === 'pause') this.#options.authenticator.check(asker.identity, 'operate');
      else this.allow(asker, 'operate');
      const { ok, text } = this.#options.armRequest(request);
      if (!ok) throw new MyelinError('ARM_ABSENT', { detail: text });
      return success(text);
    });
  }

  /** `claim` is a `take` that takes from nobody, whatever the right. */
  operator(asker: Asker, action: 'status' | 'claim' | 'take' | 'release'): Promise<Answer> {
    return this.answer(asker, 'operator', async () => {
      const { lease, authenticator } = this.#options;
      const { contender } = asker;
      if (action === 'take' || action === 'claim') {
        authenticator.check(asker.identity, 'operate');
        if (contender !== undefined) action === 'take' ? lease.take(contender) : lease.require(contender);
      }
      if (action === 'release') {
        if (contender !== undefined) lease.release('released', contender.id);
        else {
          authenticator.check(asker.identity, 'admin');
          lease.release('taken over');
        }
      }
      return success('The operator of this robot', operatorInfo(lease));
    });
  }

  /** @throws MyelinError TOKEN_REFUSED, RIGHT_MISSING, OPERATOR_BUSY */
  allow({ identity, contender, watch = false }: Asker, needs: Right): void {
    const { authenticator, lease } = this.#options;
    authenticator.check(identity, needs);
    if (contender !== undefined && !watch) lease.require(contender);
    else lease.requireFreeFor(identity);
  }

  /** Turns what is thrown into an answer, and tells of it. */
  async answer(asker: Asker, command: string, work: () => Promise<Answer>): Promise<Answer> {
    const startedMs = this.#options.nowMs();
    let answer: Answer;
    try {
      answer = await work();
    } catch (thrown) {
      answer = failure(thrown);
    }
    return this.#answered(asker, command, startedMs, answer);
  }

  #answered({ protocol, identity }: Asker, command: string, startedMs: number, answer: Answer): Answer {
    const { onAnswered, nowMs } = this.#options;
    onAnswered({ protocol, command, who: identity.name, answer, ms: nowMs() - startedMs });
    return answer;
  }
}

export const operatorInfo = (lease: OperatorLease): OperatorInfo => {
  const { holder } = lease;
  return {
    holder:
      holder === undefined
        ? null
        : {
            name: holder.identity.name,
            protocol: holder.protocol,
            address: holder.identity.address,
            sinceUnixS: holder.sinceUnixS,
          },
  };
};

/** @throws MyelinError REQUEST_INVALID naming the first thing that is wrong */
export function parseRequest<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
  throw new MyelinError('REQUEST_INVALID', {
    detail: `${where}${issue?.message ?? 'unknown reason'}`.slice(0, 300),
    advice: 'See docs/protocols/remote.md for what can be asked.',
  });
}
