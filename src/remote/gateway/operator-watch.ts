import type { OperatorInfo } from '../protocol/notice.ts';
import { operatorInfo } from './command-desk.ts';
import type { EventLog } from './event-log.ts';
import type { GatewayArm } from './gateway-arm.ts';
import { describeHolder, type LeaseEnd, type OperatorHolder, type OperatorLease } from './operator-lease.ts';
import type { WorkerLink } from './worker-link.ts';

export interface OperatorWatchOptions {
  readonly lease: OperatorLease;
  readonly link: WorkerLink;
  readonly arm: GatewayArm;
  readonly events: EventLog;
  readonly onLog: (level: 'info' | 'warn', text: string) => void;
  readonly onLost: () => void;
  /** For every client. */
  readonly onChange: (info: OperatorInfo) => void;
}

/** Commanders of the arm that are projects carry this before their name. */
const PROJECT_COMMANDER = 'project ';
/** How often the arm's segment is told who operates: it shows a heartbeat. */
const SHOW_MS = 250;

/**
 * What follows when the operator changes: everybody is told, the arm's segment names it, and when a tenure ends the
 * project's `stop()` is called and an arm that a project moves is paused.
 */
export class OperatorWatch implements Disposable {
  readonly #options: OperatorWatchOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: OperatorWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#show(), SHOW_MS);
  }

  ended(holder: OperatorHolder, why: LeaseEnd): void {
    const { events, arm, link, onLog, onLost } = this.#options;
    const lost = why === 'lost' || why === 'taken over';
    events.add('gateway', lost ? 'alarm' : 'info', `the operator ${describeHolder(holder)}: ${why}`);
    onLog(lost ? 'warn' : 'info', `operator ${holder.identity.name}: ${why}`);
    if (why === 'lost') onLost();
    // Background threads of the project end, whoever comes next begins anew.
    void link.send({ command: 'disconnect', data: {} }, { deadlineMs: 10_000 });
    const commander = arm.commander();
    if (commander?.running === true && this.#isProject(commander)) {
      arm.request('pause');
      events.add('gateway', 'warning', 'paused the arm: nobody operates the project that moves it');
    }
  }

  changed(): void {
    const { lease, events, onChange } = this.#options;
    onChange(operatorInfo(lease));
    this.#show();
    const { holder } = lease;
    if (holder !== undefined) events.add('gateway', 'good', `the operator is ${describeHolder(holder)}`);
  }

  /** Nobody operates from here on, as far as the segment says. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#options.arm.showOperator(undefined);
  }

  #isProject({ pid, name }: { readonly pid: number; readonly name: string }): boolean {
    const instances = this.#options.link.status?.instances ?? [];
    return name.startsWith(PROJECT_COMMANDER) || instances.some((instance) => instance.pid === pid);
  }

  #show(): void {
    const { lease, arm } = this.#options;
    arm.showOperator(lease.holder?.identity.name);
  }
}
