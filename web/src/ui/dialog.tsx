import { useEffect, useRef, type ReactNode } from 'react';
import { Icon } from './icons';
import './dialog.css';

interface Props {
  title: string;
  open: boolean;
  onClose(): void;
  children: ReactNode;
}

// In front of the page until it is closed: by its button, Escape, or a click beside it.
export function Dialog({ title, open, onClose, children }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !box.current?.open) box.current?.showModal();
    if (!open) box.current?.close();
  }, [open]);
  useEffect(() => {
    if (!open) return undefined;
    window.addEventListener('hashchange', onClose); // another page: "back", for example
    return () => window.removeEventListener('hashchange', onClose);
  }, [open, onClose]);
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
