import { useId } from 'react';
import { kKeptMs, type Point } from './samples';
import './chart.css';

const kWidth = 320;
const kHeight = 72;

// The next "round" number above n: 1, 2 or 5 times a power of two or ten, by what the unit counts in.
export function niceTop(n: number, base: 2 | 10): number {
  if (!(n > 0)) return base === 2 ? 1024 : 1;
  if (base === 2) return 2 ** Math.ceil(Math.log2(n));
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 5, 10].map((k) => k * power).find((k) => k >= n) ?? 10 * power;
}

export function linePath(points: Point[], now: number, top: number): string {
  return points
    .map((p, i) => {
      const x = kWidth * (1 - (now - p.at) / kKeptMs);
      const y = kHeight - 1 - (kHeight - 4) * Math.min(1, p.value / top);
      return `${i ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join('');
}

interface Props {
  title: string;
  points: Point[];
  format(n: number): string;
  base?: 2 | 10;
  top?: number;
}

export function Chart({ title, points, format, base = 2, top }: Props) {
  const id = useId();
  const now = points.at(-1)?.at ?? 0;
  const last = points.at(-1)?.value ?? 0;
  const highest = points.reduce((n, p) => Math.max(n, p.value), 0);
  const scale = top ?? niceTop(highest, base);
  const line = linePath(points, now, scale);
  const first = points[0] ? kWidth * (1 - (now - points[0].at) / kKeptMs) : kWidth;
  return (
    <figure className="chart">
      <figcaption id={id}><span>{title}</span><strong>{points.length ? format(last) : '–'}</strong></figcaption>
      <svg viewBox={`0 0 ${kWidth} ${kHeight}`} preserveAspectRatio="none" role="img" aria-label={`${title}: now ${format(last)}, at most ${format(highest)} in the last 10 minutes`}>
        <line className="chart-grid" x1="0" x2={kWidth} y1={kHeight / 2} y2={kHeight / 2} />
        <line className="chart-grid" x1="0" x2={kWidth} y1="3" y2="3" />
        {points.length > 1 && <path className="chart-area" d={`${line}L${kWidth} ${kHeight}L${first.toFixed(1)} ${kHeight}Z`} />}
        {points.length > 1 && <path className="chart-line" d={line} />}
      </svg>
      <div className="chart-axis" aria-hidden="true"><span>10 min ago</span><span>{format(scale)}</span><span>now</span></div>
    </figure>
  );
}
