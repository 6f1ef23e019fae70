import { useId, useRef, useState } from 'react';

// A text to take along, with its button.
export function CopyField({ name, text }: { name: string; text: string }) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [said, setSaid] = useState('');
  const copy = async () => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(text);
      setSaid('Copied');
    } catch {
      // Browsers allow it only over https and on this computer.
      setSaid('Press Ctrl+C to copy');
      field.current?.focus();
    }
  };
  return (
    <div className="copy">
      <label htmlFor={id}>{name}</label>
      <span className="muted" role="status">{said}</span>
      <input id={id} ref={field} className="input" readOnly value={text} onFocus={(e) => e.currentTarget.select()} />
      <button type="button" className="button" aria-label={`Copy: ${name}`} onClick={() => void copy()}>Copy</button>
    </div>
  );
}
