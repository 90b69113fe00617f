import type { ServiceManager } from '../../platform/service-manager.ts';

/**
 * Keeps the service manager informed while this lives: ready now, alive twice in each of its watchdog's periods (it
 * kills a gateway whose event loop hangs), stopping in the end. What it does not take is told, and nothing else.
 */
export class ServiceReport implements Disposable {
  readonly #manager: ServiceManager;
  readonly #onFault: (thrown: unknown) => void;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(manager: ServiceManager, status: string, onFault: (thrown: unknown) => void) {
    this.#manager = manager;
    this.#onFault = onFault;
    this.#tell('READY=1', `STATUS=${status}`);
    if (manager.watchdogMs !== undefined)
      this.#timer = setInterval(() => this.#tell('WATCHDOG=1'), manager.watchdogMs / 2);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#tell('STOPPING=1');
  }

  #tell(...lines: readonly string[]): void {
    try {
      this.#manager.tell(...lines);
    } catch (thrown) {
      this.#onFault(thrown);
    }
  }
}
