import type { ReactNode } from 'react';
import { Icon } from './icons';
import './message.css';

interface Props {
  kind: 'empty' | 'error' | 'wait';
  title: string;
  text?: string;
  children?: ReactNode;
}

// What a page shows instead of its content: what happened, and what to do.
export function Message({ kind, title, text, children }: Props) {
  return (
    <div className={`message message-${kind}`} role={kind === 'error' ? 'alert' : 'status'}>
      {kind === 'error' && <Icon name="warning" />}
      {kind === 'wait' && <span className="spinner" aria-hidden="true" />}
      <div>
        <h2>{title}</h2>
        {text && <p>{text}</p>}
        {children && <div className="message-actions">{children}</div>}
      </div>
    </div>
  );
}
