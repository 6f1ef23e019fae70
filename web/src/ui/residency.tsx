import type { State } from '../api/types';
import { bytes, percent } from './format';
import './residency.css';

const kWords: Record<string, string> = { hot: 'on SSD', partial: 'partly on SSD', cold: 'in the archive', dirty: 'not yet archived', '': '' };

export const stateWord = (state: State | null) => kWords[state ?? ''] ?? state ?? '';

interface Props {
  state: State | null;
  size: number | null;
  resident: number | null;
  dirty?: number;
  moving?: boolean;
}

// A bar that is filled as far as the bytes are on the SSD; what only the SSD has is amber.
export function ResidencyBar({ state, size, resident, dirty = 0, moving = false }: Props) {
  if (size === null || resident === null) return null;
  const part = size > 0 ? Math.min(1, resident / size) : resident > 0 || state === 'hot' || state === 'dirty' ? 1 : 0;
  const dirtyPart = size > 0 ? Math.min(part, dirty / size) : 0;
  const text = `${percent(resident, size)} % on SSD: ${bytes(resident)} of ${bytes(size)}${dirty ? `, ${bytes(dirty)} not yet archived` : ''}`;
  return (
    <span className={`residency${moving ? ' residency-moving' : ''}`} role="img" aria-label={text} title={text}>
      <span className="residency-hot" style={{ width: `${100 * part}%` }} />
      {dirtyPart > 0 && <span className="residency-dirty" style={{ width: `max(3px, ${100 * dirtyPart}%)` }} />}
    </span>
  );
}

export function StateMark({ state }: { state: State | null }) {
  if (!state) return null;
  return (
    <span className={`state state-${state}`}>
      <span className="state-dot" aria-hidden="true" />
      {stateWord(state)}
    </span>
  );
}
