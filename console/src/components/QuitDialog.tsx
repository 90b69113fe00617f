import { connection } from '../state/live.ts';
import { hello, quitAsked } from '../state/store.ts';
import { ModalDialog } from './ModalDialog.tsx';

/** Asks before everything is ended. */
export const QuitDialog = () => {
  const canQuit = hello.value?.canQuit ?? false;
  return (
    <ModalDialog name="quit" title="Quit Myelin?" asked={quitAsked}>
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
    </ModalDialog>
  );
};
