import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { sentence } from '../api/client';
import { bytes, percent, plural } from '../ui/format';
import { residencyMap, sum, type Strip } from './residency-map';
import './residency-strips.css';

const kHeight = 14;

export function stripText({ name, cells, unit }: Strip): string {
  const all = sum(cells);
  const whole = `${name}: ${percent(all.resident, all.size)} % of ${bytes(all.size)} on the SSD`;
  const full = cells.filter((c) => c.size > 0 && c.resident >= c.size).length;
  return unit ? `${whole}, ${full} of ${plural(cells.length, unit)} whole` : whole;
}

function One({ strip }: { strip: Strip }) {
  const text = stripText(strip);
  const n = Math.max(1, strip.cells.length);
  const gap = n === 1 || n > 60 ? 0 : 0.12;
  return (
    <div className="strip">
      <span className="strip-name">{strip.name}</span>
      <svg viewBox={`0 0 ${n} ${kHeight}`} preserveAspectRatio="none" role="img" aria-label={text}>
        <title>{text}</title>
        {strip.cells.map((c, i) => {
          const part = c.size > 0 ? Math.min(1, c.resident / c.size) : 0;
          return (
            <g key={i}>
              <rect className="strip-cold" x={i} width={1 - gap} height={kHeight} />
              {part > 0 && <rect className={c.dirty > 0 ? 'strip-dirty' : 'strip-hot'} x={i} width={1 - gap} y={kHeight * (1 - part)} height={kHeight * part} />}
            </g>
          );
        })}
      </svg>
    </div>
  );
}

// Asked for only when somebody wants to see it: it lists every chunk.
export function ResidencyStrips({ path, isFolder, axes }: { path: string; isFolder: boolean; axes: string }) {
  const [open, setOpen] = useState(false);
  const { data, error } = useQuery({
    enabled: open,
    queryKey: ['residency', path],
    queryFn: ({ signal }) => residencyMap(path, isFolder, axes, signal),
    refetchInterval: 5000,
  });
  const unit = data?.find((s) => s.unit)?.unit;
  return (
    <details className="strips" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>What is on the SSD</summary>
      {data ? (
        <div className="strips-body">
          {data.map((s) => <One key={s.name} strip={s} />)}
          <p className="strips-key"><span><i className="strip-mark-hot" /> on the SSD</span><span><i className="strip-mark-dirty" /> not yet archived</span><span><i /> in the archive</span>{unit && <span>from left to right: {unit}s</span>}</p>
        </div>
      ) : error ? <p className="bad">{sentence(error)}</p> : <p className="muted">Looking at its files…</p>}
    </details>
  );
}
