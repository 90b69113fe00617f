import type { PageRequest } from '../../../src/remote/gateway/telemetry.ts';
import { giveBackFocus } from '../give-back-focus.ts';
import { KEYS } from '../key-actions.ts';
import { connection } from '../state/live.ts';
import { calm, notice, quitAsked, stateWord } from '../state/store.ts';

/** In which states a request does something. Stop is not here: it always does. */
const USEFUL: Readonly<Record<Exclude<PageRequest, 'stop' | 'quit'>, readonly (string | undefined)[]>> = {
  start: ['IDLE', 'PAUSED'],
  pause: ['RUNNING'],
  reset: ['IDLE', 'RUNNING', 'PAUSED', undefined],
};

interface RequestButtonProps {
  readonly request: Exclude<PageRequest, 'stop' | 'quit'>;
  readonly label: string;
  readonly icon: string;
}

const RequestButton = ({ request, label, icon }: RequestButtonProps) => (
  <button
    type="button"
    class={`ask ask-${request}`}
    disabled={!USEFUL[request].includes(calm.value?.arm?.state)}
    onClick={(event) => {
      connection.request(request);
      giveBackFocus(event);
    }}
  >
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d={icon} />
    </svg>
    {label}
  </button>
);

const KeyHelp = () => (
  <ul class="keys" aria-label="Keys">
    {KEYS.map(({ key, does }) => (
      <li key={key}>
        <kbd>{key}</kbd> {does}
      </li>
    ))}
    <li>
      <button type="button" class="quit" onClick={() => (quitAsked.value = true)}>
        Quit Myelin
      </button>
    </li>
  </ul>
);

/** The four requests, always in reach; Stop is the largest and is never disabled. */
export const Dock = () => (
  <footer class="dock">
    <div class="dock-side">
      <KeyHelp />
      <p class="dock-line">
        {/* On a phone the badge may be scrolled away; the buttons need the state beside them. */}
        <span class="dock-state" aria-hidden="true">
          {stateWord.value.replace('_', ' ')}
        </span>
        <span
          class={`notice ${notice.value?.ok === false ? 'notice-bad' : ''}`}
          role="status"
          aria-live="polite"
        >
          {notice.value?.text ?? ''}
        </span>
      </p>
    </div>
    <fieldset class="asks" aria-label="Requests to the arm">
      <RequestButton request="start" label="Start" icon="M7 4.5v15l13-7.5z" />
      <RequestButton request="pause" label="Pause" icon="M6 4.5h4v15H6zM14 4.5h4v15h-4z" />
      <RequestButton
        request="reset"
        label="Reset"
        icon="M12 5V1.5L6.5 6.5l5.5 5V8a5 5 0 1 1-5 5H4a8 8 0 1 0 8-8z"
      />
    </fieldset>
    <button
      type="button"
      class="stop"
      aria-keyshortcuts="Escape"
      onPointerDown={() => connection.request('stop')}
      onClick={(event) => {
        // The pointer was quick enough already; this is the keyboard's and the screen reader's way in.
        if (event.detail === 0) connection.request('stop');
        giveBackFocus(event);
      }}
    >
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d="M8 2.5h8L21.5 8v8L16 21.5H8L2.5 16V8z" />
      </svg>
      STOP
    </button>
  </footer>
);
