import type { Published } from '../protocol/ipc.ts';
import type { Notice } from '../protocol/notice.ts';
import type { EventLog } from './event-log.ts';
import type { WorkerState } from './worker-link.ts';

export interface WorkerNewsOptions {
  readonly events: EventLog;
  readonly onLog: (level: 'debug' | 'info' | 'warn', text: string, more?: object) => void;
  /** What user code pushed, for every client. */
  readonly onPush: (event: string, data: unknown) => void;
  /** What the gateway tells every client. */
  readonly onNotice: (notice: Notice) => void;
  readonly onLost: () => void;
}

/** Passes on what the worker publishes, and what becomes of it: to clients, to the page, to the log. */
export class WorkerNews {
  readonly #options: WorkerNewsOptions;
  #instances = '';

  constructor(options: WorkerNewsOptions) {
    this.#options = options;
  }

  became(state: WorkerState): void {
    const { events, onLog, onNotice, onLost } = this.#options;
    onNotice({ type: 'worker', state });
    if (state === 'restarting') onLost();
    events.add('worker', state === 'ready' ? 'good' : state === 'starting' ? 'info' : 'alarm', `is ${state}`);
    onLog(state === 'ready' ? 'info' : 'warn', `the worker is ${state}`);
  }

  published(published: Exclude<Published, { type: 'callback' }>): void {
    const { onLog, onPush, onNotice } = this.#options;
    switch (published.type) {
      case 'push':
        onPush(published.event, published.data);
        break;
      case 'log':
        onLog('info', published.text, { project: published.project, stream: published.stream });
        onNotice(published);
        break;
      case 'progress':
        onLog('debug', published.text, { project: published.project, stage: published.stage });
        onNotice(published);
        break;
      case 'status': {
        const { instances } = published.data;
        const now = JSON.stringify(instances);
        if (now !== this.#instances) onNotice({ type: 'instances', instances });
        this.#instances = now;
      }
    }
  }
}
