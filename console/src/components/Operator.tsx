import { giveBackFocus } from '../give-back-focus.ts';
import { connection } from '../state/live.ts';
import { calm, hello, operates, takeOverAsked } from '../state/store.ts';

/** Who operates the robot from afar, and the way to become it or to stop being it. Only at a gateway. */
export const Operator = () => {
  const you = hello.value?.you;
  const operator = calm.value?.operator;
  if (you === undefined || operator === undefined) return null;
  const mayOperate = you.right !== 'observe';
  const mayTakeOver = you.right === 'admin' && operator !== null && !operates.value;
  const name = operates.value ? 'this page' : (operator?.name ?? 'nobody');
  const where = operator === null ? '' : `${operator.name}: ${operator.protocol} from ${operator.address}`;
  return (
    <div class={`operator ${operates.value ? 'operator-here' : ''}`}>
      <dl class="fact">
        <dt>Operator</dt>
        <dd title={where}>{name}</dd>
      </dl>
      {operates.value && (
        <button
          type="button"
          onClick={(event) => {
            connection.operator('give back');
            giveBackFocus(event);
          }}
        >
          Give back
        </button>
      )}
      {mayOperate && !operates.value && (
        <button
          type="button"
          onClick={(event) => {
            if (mayTakeOver) takeOverAsked.value = true;
            else connection.operator('take');
            giveBackFocus(event);
          }}
        >
          {mayTakeOver ? 'Take over…' : 'Take'}
        </button>
      )}
    </div>
  );
};
