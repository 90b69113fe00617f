import { connection } from '../state/live.ts';
import { calm, takeOverAsked } from '../state/store.ts';
import { ModalDialog } from './ModalDialog.tsx';

/** Asks before the robot is taken from whoever operates it. */
export const TakeOverDialog = () => {
  const operator = calm.value?.operator;
  return (
    <ModalDialog
      name="take-over"
      title={`Take over from ${operator?.name ?? 'nobody'}?`}
      asked={takeOverAsked}
    >
      <p>
        {operator == null
          ? 'Nobody operates any more.'
          : `“${operator.name}” operates by ${operator.protocol} from ${operator.address}. What its project does in the background is stopped, and the arm pauses if the project moves it.`}
      </p>
      <div class="dialog-actions">
        <button type="button" onClick={() => (takeOverAsked.value = false)}>
          Leave it
        </button>
        <button
          type="button"
          class="primary"
          onClick={() => {
            connection.operator('take over');
            takeOverAsked.value = false;
          }}
        >
          Take over
        </button>
      </div>
    </ModalDialog>
  );
};
