import { stale, stateWord } from '../state/store.ts';

const TONES: Readonly<Record<string, string>> = {
  IDLE: 'rest',
  RUNNING: 'good',
  PAUSED: 'hold',
  RESETTING: 'busy',
  EMERGENCY_STOP: 'alarm',
  DAMPING: 'alarm',
  'NO LINK': 'alarm',
  'NO ARM': 'rest',
};

/** The arm's state as a colour and a word, never a colour alone. */
export const StateBadge = () => {
  const word = stateWord.value;
  return (
    <div
      class={`badge tone-${TONES[word] ?? 'rest'}`}
      role="status"
      aria-label={`State: ${word}`}
      data-state={word}
    >
      <span class="badge-dot" aria-hidden="true" />
      {word.replace('_', ' ')}
      {stale.value && word !== 'NO LINK' && <small> old</small>}
    </div>
  );
};
