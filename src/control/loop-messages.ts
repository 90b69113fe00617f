import type { ArmReport } from '../arms/driver.ts';
import type { ErrorCode, ErrorParameters } from '../core/errors.ts';

/** What the loop tells its guardian, over the channel between parent and child, before its first tick. */
export type LoopMessage =
  | {
      readonly type: 'ready';
      readonly report: ArmReport;
      /** Share of the bus in use at the control rate, 0 to 1. */
      readonly busLoad: number;
      /** What the system granted, in words. */
      readonly granted: readonly string[];
      readonly refused: readonly string[];
    }
  | {
      readonly type: 'failed';
      readonly code: ErrorCode;
      readonly parameters: ErrorParameters;
      readonly stack?: string;
    };

/** How the loop's process ends when nothing kills it. */
export const LoopExit = { STOPPED: 0, FAILED_TO_START: 1, GUARDIAN_LOST: 3, DEFECT: 4 } as const;

/** Bits of `grants` in the segment. */
export const Grant = { FIFO: 1, AFFINITY: 2, LOCKED: 4, TIMER_SLACK: 8 } as const;
