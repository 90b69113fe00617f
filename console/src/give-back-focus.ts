/** A mouse click gives the focus back, so that Space goes on meaning start or pause. */
export const giveBackFocus = (event: MouseEvent): void => {
  if (event.detail > 0 && event.currentTarget instanceof HTMLElement) event.currentTarget.blur();
};
