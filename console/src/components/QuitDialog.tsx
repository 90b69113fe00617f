import { useEffect, useRef } from 'preact/hooks';
import { connection } from '../state/live.ts';
import { hello, quitAsked } from '../state/store.ts';

/** Asks before everything is ended. */
export const QuitDialog = () => {
  const dialog = useRef<HTMLDialogElement>(null);
  const asked = quitAsked.value;
  useEffect(() => {
    if (asked) dialog.current?.showModal();
    else dialog.current?.close();
  }, [asked]);
  const canQuit = hello.value?.canQuit ?? false;
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="quit-title"
      onClose={() => (quitAsked.value = false)}
    >
      <h2 id="quit-title">Quit Myelin?</h2>
      <p>
        {canQuit
          ? 'The arm comes to rest, then every process ends, this page’s server too.'
          : 'This page was started on its own: closing the tab is enough, the arm goes on without it.'}
      </p>
      <div class="dialog-actions">
        <button type="button" onClick={() => (quitAsked.value = false)}>
          Go on
        </button>
        {canQuit && (
          <button
            type="button"
            class="primary"
            onClick={() => {
              connection.request('quit');
              quitAsked.value = false;
            }}
          >
            Quit
          </button>
        )}
      </div>
    </dialog>
  );
};
