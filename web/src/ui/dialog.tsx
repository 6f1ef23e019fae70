import { useEffect, useRef, type ReactNode } from 'react';
import { Icon } from './icons';
import './dialog.css';

interface Props {
  title: string;
  open: boolean;
  onClose(): void;
  children: ReactNode;
}

// Covers the page until its button, Escape or a click outside it closes it.
export function Dialog({ title, open, onClose, children }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  const latest = useRef(onClose);
  latest.current = onClose;
  useEffect(() => {
    if (open && !box.current?.open) box.current?.showModal();
    if (!open) box.current?.close();
  }, [open]);
  useEffect(() => {
    if (!open) return undefined;
    // Another page: "back", for example. The same listener stays, because the page renders anew while the event goes round.
    const close = () => latest.current();
    window.addEventListener('hashchange', close);
    return () => window.removeEventListener('hashchange', close);
  }, [open]);
  return (
    <dialog ref={box} className="dialog" aria-label={title} onClose={onClose} onClick={(e) => e.target === box.current && onClose()}>
      <header>
        <h2>{title}</h2>
        <button type="button" className="icon-button" aria-label="Close" onClick={onClose}><Icon name="close" /></button>
      </header>
      {open && children}
    </dialog>
  );
}
