import { isMoving, isOpen } from '../api/queries';
import type { Prefetch } from '../api/types';
import { bytes, eta, percent, rate } from '../ui/format';
import { Icon } from '../ui/icons';
import { useNow } from '../ui/now';
import { useTierActions } from './actions';
import { publishText, usePublishes } from './publishes';
import './transfers.css';

// How long something that has ended is still shown.
const kShownMs = 6000;

export function toShow(prefetches: Prefetch[], now: number): Prefetch[] {
  return prefetches
    .filter((p) => isOpen(p) || (p.state !== 'cancelled' && p.ended !== null && now - Date.parse(p.ended) < (p.state === 'failed' ? 10 : 1) * kShownMs))
    .sort((a, b) => a.id - b.id);
}

export function progressText(p: Prefetch): string {
  const done = `${bytes(p.done_bytes)} of ${bytes(p.total_bytes)}`;
  switch (p.state) {
    case 'done':
      return `${bytes(p.total_bytes)} on the SSD`;
    case 'failed':
      return `failed: ${p.first_error || p.reason || 'see the log of tierd'}`;
    case 'parked':
      return `stopped: ${p.reason || p.first_error}`;
    case 'queued':
      return p.reason || `waiting for its turn, ${bytes(p.total_bytes)}`;
    default:
      return [done, p.reason || (p.rate_bytes_per_s > 0 ? rate(p.rate_bytes_per_s) : ''), p.reason ? '' : eta(p.eta_s)].filter(Boolean).join(' · ');
  }
}

export function Transfers({ prefetches }: { prefetches: Prefetch[] }) {
  const { cancel, resume } = useTierActions();
  const publishes = usePublishes((s) => s.list);
  const ended = prefetches.some((p) => p.ended !== null && Date.now() - Date.parse(p.ended) < 10 * kShownMs + 5000);
  useNow(ended ? 1000 : 0); // what has ended goes away by itself
  const list = toShow(prefetches, Date.now());
  if (!list.length && !publishes.length) return null;
  return (
    <section className="transfers" aria-label="Transfers">
      {list.map((p) => (
        <div key={p.id} className={`transfer transfer-${p.state}`}>
          <span className="transfer-name">{p.label || `Prefetch ${p.id}`}</span>
          <progress value={percent(p.done_bytes, p.total_bytes)} max={100} aria-label={`${p.label || 'Prefetch'}, progress`} />
          <span className="transfer-text" aria-live={isMoving(p) ? 'off' : 'polite'}>{progressText(p)}</span>
          {p.state === 'parked' && (
            <button type="button" className="button button-small" onClick={() => void resume(p.id)}>Continue</button>
          )}
          {isOpen(p) && (
            <button type="button" className="icon-button" title="Cancel" aria-label={`Cancel ${p.label}`} onClick={() => void cancel(p.id)}>
              <Icon name="close" />
            </button>
          )}
        </div>
      ))}
      {publishes.map(({ id, label, progress: p }) => (
        <div key={`publish ${id}`} className={`transfer transfer-${p.waiting.length ? 'waiting' : 'running'}`}>
          <span className="transfer-name">{label} to the archive</span>
          <progress value={percent(p.published_bytes, p.published_bytes + p.pending_bytes)} max={100} aria-label={`${label} to the archive, progress`} />
          <span className="transfer-text" aria-live={p.waiting.length ? 'polite' : 'off'}>{publishText(p)}</span>
          <button type="button" className="icon-button" title="Hide: the publish continues" aria-label={`Hide the publish of ${label}`} onClick={() => usePublishes.getState().hide(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </section>
  );
}
