import { useEffect, useMemo, useState, type FormEvent } from 'react';
import type { Dataset } from '../api/types';
import { useUi } from '../app/store';
import { number } from '../ui/format';
import { Icon } from '../ui/icons';
import { lengthText, parseLineText, profilePath, profiles, profileTable, rangeOf } from './line';
import { screenAt, type ViewerStore } from './store';
import type { Tiles } from './tiles';
import type { Line } from './view';

interface Props {
  dataset: Dataset;
  store: ViewerStore;
}

// The line over the picture; while only one end is set, it follows the pointer.
export function LineOverlay({ dataset, store }: Props) {
  const s = store();
  const { measuring, draft, pointer, view } = s;
  const line: Line | null = draft && pointer ? { x1: draft.x, y1: draft.y, x2: pointer.x, y2: pointer.y } : draft ? null : view.line;
  const hint = measuring && !line && (draft ? 'Click where the line ends' : 'Click where the line begins, or press Enter for a line across the middle');
  if (!line) return hint ? <div className="mark" role="status">{hint}</div> : null;
  const [a, b] = [screenAt(s, dataset, line.x1, line.y1), screenAt(s, dataset, line.x2, line.y2)];
  const [x, y] = [(a.x + b.x) / 2, (a.y + b.y) / 2];
  return (
    <>
      <svg className="line-overlay" aria-hidden="true">
        <line className="line-under" x1={a.x} y1={a.y} x2={b.x} y2={b.y} />
        <line className="line-over" x1={a.x} y1={a.y} x2={b.x} y2={b.y} />
        <circle cx={a.x} cy={a.y} r="4" /><circle cx={b.x} cy={b.y} r="4" />
      </svg>
      <output className="line-text" aria-label="Length of the line" style={{ left: Math.min(s.width - 90, Math.max(90, x)), top: Math.min(s.height - 30, Math.max(34, y - 12)) }}>{lengthText(dataset, line)}</output>
    </>
  );
}

const kWidth = 600;
const kHeight = 96;

function Ends({ dataset, store, line }: Props & { line: Line }) {
  const now = [line.x1, line.y1, line.x2, line.y2].map((n) => Number(n.toFixed(1))).join(', ');
  const [text, setText] = useState(now);
  useEffect(() => setText(now), [now]);
  const wrong = parseLineText(text) === null;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    const next = parseLineText(text);
    if (next) store.getState().change({ line: next });
  };
  return (
    <form onSubmit={submit}>
      <input className="input profile-ends" aria-label="Ends of the line in pixels: x, y, x, y" aria-invalid={wrong} title={wrong ? 'Four numbers: x, y of the one end and x, y of the other' : `Ends of the line in pixels of ${dataset.name}`} value={text} onChange={(e) => setText(e.target.value)} />
    </form>
  );
}

// The values along the line, one curve for each channel that is shown.
export function ProfilePanel({ dataset, store, tiles, line }: Props & { tiles: Tiles; line: Line }) {
  const say = useUi((s) => s.say);
  const { t, z, channels, projection } = store((s) => s.view);
  const loaded = store((s) => s.loaded);
  const [round, again] = useState(0);
  const visible = channels.flatMap((c, i) => (c.visible ? [i] : []));
  const names = channels.map((_, i) => dataset.channels[i]?.name || `Channel ${i + 1}`);
  const all = useMemo(() => profiles(dataset, tiles, line, t, z, projection, visible), [dataset, tiles, line, t, z, projection, visible.join(','), loaded, round]);
  const missing = all.some((p) => p.values.some(Number.isNaN));
  useEffect(() => {
    if (!missing) return undefined;
    const timer = setTimeout(() => again((n) => n + 1), 700); // tiles may still be on their way
    return () => clearTimeout(timer);
  }, [missing, round]);
  const range = rangeOf(all);
  const copy = async () => {
    const text = profileTable(dataset, line, all, names);
    try {
      await navigator.clipboard.writeText(text);
      say('info', 'The values of the line are in the clipboard.');
    } catch {
      say('error', 'The browser does not allow writing to the clipboard here.');
    }
  };
  return (
    <section className="profile" aria-label="Line profile">
      <header>
        <h2>Line</h2><span>{lengthText(dataset, line)}</span>
        <Ends dataset={dataset} store={store} line={line} />
        <span className="profile-names">{visible.map((c) => <span key={c}><i style={{ background: `#${channels[c]!.colour}` }} />{names[c]}</span>)}</span>
        <button type="button" className="button button-small" disabled={!range} onClick={() => void copy()}>Copy values</button>
        <button type="button" className="icon-button" aria-label="Remove the line" onClick={() => store.getState().change({ line: null })}><Icon name="close" /></button>
      </header>
      <div className="profile-plot">
        <div className="profile-axis" aria-hidden="true"><span>{range ? number(range[1]) : ''}</span><span>{range ? number(range[0]) : ''}</span></div>
        <svg viewBox={`0 0 ${kWidth} ${kHeight}`} preserveAspectRatio="none" role="img" aria-label={range ? `Values along the line, ${number(range[0])} to ${number(range[1])}` : 'No values yet'}>
          {range && all.map((p) => <path key={p.channel} stroke={`#${channels[p.channel]!.colour}`} d={profilePath(p.values, range[0], range[1], kWidth, kHeight)} />)}
        </svg>
      </div>
    </section>
  );
}
