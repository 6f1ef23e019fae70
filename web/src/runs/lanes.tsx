import { duration } from '../ui/format';
import { secondsOf, type Task } from './status';

const kWidth = 1000;
const kLane = 14;
const kMost = 3000; // rectangles

// What each worker did when: gaps are waiting, and long bars hold up the rest.
export function Lanes({ tasks, now }: { tasks: Task[]; now: number }) {
  const begun = tasks.filter((t) => t.start).slice(-kMost);
  if (begun.length < 2) return null;
  const slots = [...new Set(begun.map((t) => t.slot))].sort((a, b) => a - b);
  const from = Math.min(...begun.map((t) => Date.parse(t.start!)));
  const to = Math.max(...begun.map((t) => (t.end ? Date.parse(t.end) : now)));
  const scale = kWidth / Math.max(1, to - from);
  return (
    <figure className="lanes">
      <figcaption><span>What each worker did</span><span className="muted">{duration((to - from) / 1000)}</span></figcaption>
      <svg viewBox={`0 0 ${kWidth} ${slots.length * kLane}`} preserveAspectRatio="none" style={{ height: slots.length * kLane }} role="img" aria-label={`${slots.length} workers over ${duration((to - from) / 1000)}`}>
        {begun.map((t) => {
          const x = (Date.parse(t.start!) - from) * scale;
          return (
            <rect key={`${t.step} ${t.task} ${t.start}`} className={`lane lane-${t.state}`} x={x} y={slots.indexOf(t.slot) * kLane + 1.5} width={Math.max(1.5, secondsOf(t, now) * 1000 * scale - 1)} height={kLane - 3} rx="1">
              <title>{`${t.step} ${t.task}: ${t.state}, ${duration(secondsOf(t, now))}`}</title>
            </rect>
          );
        })}
      </svg>
    </figure>
  );
}
