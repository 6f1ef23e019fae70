import { duration } from '../ui/format';
import { workDone, type Task } from './status';

const kWidth = 480;
const kHeight = 110;

// Wall times of tasks against time: the steeper, the more ran at once. Tasks that run at once slow each other, so it is no measure of
// how much faster the run was. The dashed line is one task after the other.
export function SpeedUp({ tasks, started, now }: { tasks: Task[]; started: string; now: number }) {
  const from = Date.parse(started);
  const points = workDone(tasks, from, now);
  const end = points.at(-1)!;
  if (!(end.at > 0.5) || points.length < 4) return null;
  const top = Math.max(end.work, end.at);
  const x = (s: number) => ((kWidth * s) / end.at).toFixed(1);
  const y = (s: number) => (kHeight - ((kHeight - 4) * s) / top).toFixed(1);
  const step = Math.max(1, Math.floor(points.length / 600));
  const line = points.filter((_, i) => i % step === 0 || i === points.length - 1).map((p, i) => `${i ? 'L' : 'M'}${x(p.at)} ${y(p.work)}`).join('');
  const text = `${duration(end.work)} of tasks, one after the other, in ${duration(end.at)}`;
  return (
    <figure className="lanes speed-up">
      <figcaption><span>Tasks at once</span><span className="muted">{text}</span></figcaption>
      <svg viewBox={`0 0 ${kWidth} ${kHeight}`} preserveAspectRatio="none" role="img" aria-label={text}>
        <path className="speed-area" d={`${line}V${kHeight}H0Z`} />
        <path className="speed-line" d={line} />
        <line className="speed-one" x1="0" y1={kHeight} x2={kWidth} y2={y(end.at)} />
      </svg>
      <div className="chart-axis" aria-hidden="true"><span>start</span><span>dashed: one at a time</span><span>{duration(end.at)}</span></div>
    </figure>
  );
}
