import type { ActionChunk } from '../../../core/chunk.ts';
import type { MyelinError } from '../../../core/errors.ts';
import type { PolicySpec, Subtask } from '../../../policies/policy.ts';
import type { RequestTiming } from '../../engine/request.ts';
import type { ExtendedRequest } from '../extension.ts';
import { float64Array, type NdArray } from '../ndarray.ts';
import type { WireMap, WireValue } from '../wire-value.ts';

/** What a client asked for. */
export type DialectRequest =
  | { readonly kind: 'reset' }
  | {
      readonly kind: 'infer';
      /** With the keys of `readObservation`. */
      readonly observation: WireMap;
      readonly options: ExtendedRequest;
      /** Whether the answer may hold our additions. */
      readonly extended: boolean;
      /** A new value begins a new episode. */
      readonly sessionId?: string;
    };

/** What it gets. */
export interface Answer {
  readonly request: Extract<DialectRequest, { kind: 'infer' }>;
  readonly chunk: ActionChunk;
  readonly timing: RequestTiming;
  /** Time the previous request on this connection took in all, ms. */
  readonly previousTotalMs: number | undefined;
  readonly subtask: (Pick<Subtask, 'text'> & Partial<Subtask>) | undefined;
}

export interface Greeting {
  readonly spec: PolicySpec;
  /** Whether the policy wants to be shown observations that no action is asked for. */
  readonly looksBack: boolean;
  /** The server's own metadata, for the stock dialect. */
  readonly metadata: WireMap;
  /** Whether the client asked for our additions. */
  readonly extended: boolean;
}

/** How one kind of openpi server speaks: its first frame, what its requests and answers look like, how it fails. */
export interface ServerDialect {
  readonly name: string;
  greeting(greeting: Greeting): WireMap;
  /** @throws MyelinError MESSAGE_INVALID */
  request(message: WireMap): DialectRequest;
  answer(answer: Answer): WireValue;
  /** The frame that says what went wrong, text or a value, and whether the connection ends with it. */
  fault(error: MyelinError): { readonly frame: string | WireValue; readonly ends: boolean };
}

/** A chunk's actions, [rows, dof], float64 over the same memory. */
export const actionsOf = ({ actions, rows, dof }: ActionChunk): NdArray => float64Array(actions, [rows, dof]);

/** One line for the client: what went wrong and what to do; never where in the code. */
export const faultText = ({ code, message, hint }: MyelinError): string => `${code}: ${message}. ${hint}`;
