import type { PageSource } from './live-feed.ts';

/** The arm as the gateway needs it. `ArmTelemetry` is the real one. */
export interface GatewayArm extends PageSource {
  /** Who commands the arm now, and whether it may be moving; undefined when nobody does. */
  commander(): { readonly pid: number; readonly name: string; readonly running: boolean } | undefined;
  /** Writes into the segment who operates; undefined when nobody does. */
  showOperator(name: string | undefined): void;
  /** State of the arm in a word; null while there is no control process. */
  stateName(): string | null;
}
