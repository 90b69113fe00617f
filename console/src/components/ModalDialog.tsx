import type { Signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

interface ModalDialogProps {
  readonly name: string;
  readonly title: string;
  /** Open while true; Escape sets it to false. */
  readonly asked: Signal<boolean>;
  readonly children: ComponentChildren;
}

/** A question that waits for its answer, in front of everything. */
export const ModalDialog = ({ name, title, asked, children }: ModalDialogProps) => {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = asked.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby={`${name}-title`}
      onClose={() => (asked.value = false)}
    >
      <h2 id={`${name}-title`}>{title}</h2>
      {children}
    </dialog>
  );
};
