import { computed, signal } from '@preact/signals';
import type {
  ArmInfo,
  Hello,
  PageEvent,
  Reply,
  ServerMessage,
  Telemetry,
} from '../../../src/remote/gateway/telemetry.ts';
import { History } from './history.ts';

/** Everything the page knows. Components read signals; only {@link take} and the connection write them. */

const EVENTS_SHOWN = 200;
/** Text that changes faster than this cannot be read anyway. */
const CALM_PERIOD_MS = 125;
/** A loop that has not written its state for this long is not running, ms. */
const STALE_STATE_MS = 500;

export type Connection = 'connecting' | 'live' | 'lost';

export const connectionState = signal<Connection>('connecting');
/** No message for a while although the connection stands. */
export const silent = signal(false);
export const hello = signal<Hello | undefined>(undefined);
export const armInfo = signal<ArmInfo | undefined>(undefined);
/** Every message, 25 a second: for drawing. */
export const telemetry = signal<Telemetry | undefined>(undefined);
/** The same a few times a second: for reading. */
export const calm = signal<Telemetry | undefined>(undefined);
export const events = signal<readonly PageEvent[]>([]);
export const notice = signal<Pick<Reply, 'ok' | 'text'> | undefined>(undefined);
export const quitAsked = signal(false);
export const takeOverAsked = signal(false);
/** A stop was pressed while there was no connection; it goes out first when there is one. */
export const stopPending = signal(false);

export const history = new History();

/** What the badge says: the arm's state, or why there is none. */
export const stateWord = computed(() => {
  if (connectionState.value !== 'live') return 'NO LINK';
  const arm = calm.value?.arm;
  return arm?.state ?? 'NO ARM';
});

/** Whether this page operates the robot. */
export const operates = computed(() => {
  const session = hello.value?.you?.session;
  return session !== undefined && telemetry.value?.operator?.session === session;
});

/** Whether what is shown is older than it looks. */
export const stale = computed(() => {
  if (connectionState.value !== 'live' || silent.value) return true;
  const ageMs = calm.value?.arm?.ageMs;
  return ageMs !== undefined && (ageMs === null || ageMs > STALE_STATE_MS);
});

let calmAtMs = 0;

/** Takes in one message from the server. */
export function take(message: ServerMessage, nowMs: number): void {
  switch (message.type) {
    case 'hello':
      hello.value = message;
      events.value = [];
      return;
    case 'arm':
      armInfo.value = message;
      return;
    case 'telemetry':
      takeTelemetry(message, nowMs);
      return;
    case 'event':
      events.value = [...events.value, message].slice(-EVENTS_SHOWN);
      return;
    case 'reply':
      notice.value = { ok: message.ok, text: message.text };
      return;
    case 'error':
      notice.value = { ok: false, text: `${message.text}. ${message.hint}` };
  }
}

function takeTelemetry(message: Telemetry, nowMs: number): void {
  const stateChanged =
    message.arm?.state !== calm.value?.arm?.state ||
    message.operator?.session !== calm.value?.operator?.session;
  telemetry.value = message;
  history.push(message, nowMs);
  if (stateChanged || nowMs - calmAtMs >= CALM_PERIOD_MS) {
    calmAtMs = nowMs;
    calm.value = message;
  }
}
