import { calm, connectionState, stopPending } from '../state/store.ts';

/** Says in plain words when what the page shows is not what is. */
export const ConnectionBanner = () => {
  if (connectionState.value === 'lost') {
    return (
      <div class="banner banner-alarm" role="alert">
        <strong>No connection to Myelin.</strong> The picture below is old; trying again.
        {stopPending.value && ' Your Stop is kept and goes out first.'} The arm is looked after by its own
        process; to stop it now, use its emergency switch or Ctrl-C in the terminal.
      </div>
    );
  }
  const arm = calm.value?.arm;
  if (calm.value !== undefined && arm === null) {
    return (
      <div class="banner banner-hold" role="status">
        <strong>No control process is running.</strong> After a stop, press Reset to power the arm again; it
        moves only after Start.
      </div>
    );
  }
  const faults = arm?.errors ?? [];
  if (faults.length === 0 && (arm?.hold ?? null) === null) return null;
  return (
    <div class={`banner ${faults.length > 0 ? 'banner-alarm' : 'banner-hold'}`} role="status">
      {faults.length > 0 && <strong>Errors: {faults.join(', ').toLowerCase().replaceAll('_', ' ')}. </strong>}
      {arm?.hold != null && <>The arm holds: {arm.hold}.</>}
    </div>
  );
};
