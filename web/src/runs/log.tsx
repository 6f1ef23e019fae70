import { useEffect, useMemo, useRef, useState } from 'react';
import { sentence } from '../api/client';
import { shown } from '../api/paths';
import { useLog } from '../api/runs';
import { bytes } from '../ui/format';
import { Message } from '../ui/message';

const kFirst = 64 * 1024;
const kMost = 4 * 2 ** 20;

// The end of run.log. While it follows, the newest line stays in sight.
export function Log({ run, live, find }: { run: string; live: boolean; find: string }) {
  const [tail, setTail] = useState(find ? 16 * kFirst : kFirst);
  const [filter, setFilter] = useState(find);
  const [follow, setFollow] = useState(live);
  const { data, error, isPlaceholderData } = useLog(run, tail, live);
  const box = useRef<HTMLPreElement>(null);
  const whole = data !== undefined && data.length < tail;
  const text = useMemo(() => {
    const wanted = filter.toLowerCase();
    return shown(filter ? (data ?? '').split('\n').filter((l) => l.toLowerCase().includes(wanted)).join('\n') : (data ?? ''));
  }, [data, filter]);
  useEffect(() => setFilter(find), [find]);
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text, follow]);
  if (!data && error) return <Message kind="error" title="The log cannot be read" text={sentence(error)} />;
  if (data === undefined) return <Message kind="wait" title="Reading the log" />;
  return (
    <section className="log" aria-label="Log">
      <div className="log-bar">
        <input type="search" className="input" placeholder="Filter lines, e.g. a step" aria-label="Filter lines of the log" value={filter} onChange={(e) => setFilter(e.target.value)} />
        <label className="log-follow"><input type="checkbox" checked={follow} onChange={(e) => setFollow(e.target.checked)} /> Follow</label>
        {!whole && tail < kMost && <button type="button" className="button" disabled={isPlaceholderData} onClick={() => setTail(Math.min(kMost, tail * 8))}>Show more than the last {bytes(tail)}</button>}
        {!whole && tail >= kMost && <span className="muted">The last {bytes(tail)}; all of it is in run.log.</span>}
      </div>
      {error ? <p className="bad">{sentence(error)}</p> : null}
      <pre ref={box} className="log-text" role="log" tabIndex={0} aria-live="off" onWheel={(e) => e.deltaY < 0 && setFollow(false)}>{text || (filter ? 'No line has this.' : 'Nothing has been written yet.')}</pre>
    </section>
  );
}
