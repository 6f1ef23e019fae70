import { number } from '../ui/format';
import type { Summary } from './table';

const kWidth = 320;
const kHeight = 90;

export function barsPath(bins: number[]): string {
  const top = Math.max(1, ...bins);
  const step = kWidth / bins.length;
  return bins.map((n, i) => (n ? `M${(i * step + 0.5).toFixed(1)} ${kHeight}V${(kHeight - Math.max(1, (n / top) * (kHeight - 4))).toFixed(1)}h${(step - 1).toFixed(1)}V${kHeight}Z` : '')).join('');
}

// The values of one column; a line where the selected row is.
export function ColumnHistogram({ name, summary: s, value }: { name: string; summary: Summary; value: number | null }) {
  const x = value === null || !Number.isFinite(value) ? null : (kWidth * (value - s.low)) / (s.high - s.low || 1);
  const facts: [string, string][] = [['Rows', s.count.toLocaleString('en')], ['Mean', number(s.mean)], ['Median', number(s.median)], ['SD', number(s.sd)]];
  return (
    <figure className="column-histogram">
      <svg viewBox={`0 0 ${kWidth} ${kHeight}`} preserveAspectRatio="none" role="img" aria-label={`Histogram of ${name}: ${number(s.low)} to ${number(s.high)}, mean ${number(s.mean)}`}>
        <path className="column-bars" d={barsPath(s.bins)} />
        {x !== null && <line className="column-value" x1={x} x2={x} y1="0" y2={kHeight} />}
      </svg>
      <div className="column-axis" aria-hidden="true"><span>{number(s.low)}</span><span>{number(s.high)}</span></div>
      <dl>{facts.map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
    </figure>
  );
}
