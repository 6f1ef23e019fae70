import { percent } from '../ui/format';

export function Progress({ done, failed, total, label, wide = false }: { done: number; failed: number; total: number; label: string; wide?: boolean }) {
  const text = `${label}: ${done} of ${total} done${failed ? `, ${failed} failed` : ''}`;
  return (
    <span className={wide ? 'run-bar run-bar-wide' : 'run-bar'} role="img" aria-label={text} title={text}>
      <span className="run-bar-done" style={{ width: `${percent(done, total)}%` }} />
      <span className="run-bar-failed" style={{ width: `${percent(failed, total)}%` }} />
    </span>
  );
}

export function RunState({ state }: { state: string }) {
  return <span className={`run-state run-state-${state}`}><span className="state-dot" aria-hidden="true" />{state}</span>;
}

export function Bar({ part, label }: { part: number; label: string }) {
  return (
    <span className="run-bar run-bar-wide" role="img" aria-label={label} title={label}>
      <span className="run-bar-done" style={{ width: `${100 * Math.min(1, Math.max(0, part))}%` }} />
    </span>
  );
}
