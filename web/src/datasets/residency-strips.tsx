import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { sentence } from '../api/client';
import { usePace } from '../api/events';
import { bytes, percent, plural } from '../ui/format';
import { cellAt, imageMap, levelText, stripOfLevel, unitsText, waysOf, type ImageMap, type LevelCells, type Way } from './image-map';
import { residencyMap, sum, type Cell, type Strip } from './residency-map';
import './residency-strips.css';

const kHeight = 14;

export function stripText({ name, cells, unit }: Strip): string {
  const all = sum(cells);
  const whole = `${name}: ${percent(all.resident, all.size)} % of ${bytes(all.size)} on the SSD`;
  const full = cells.filter((c) => c.size > 0 && c.resident >= c.size).length;
  return unit ? `${whole}, ${full} of ${plural(cells.length, unit)} whole` : whole;
}

// Filled from below as far as its bytes are on the SSD.
function Mark({ cell: c, x, y, width, height }: { cell: Cell; x: number; y: number; width: number; height: number }) {
  const part = c.size > 0 ? Math.min(1, c.resident / c.size) : 0;
  return (
    <g>
      <rect className={c.size > 0 ? 'strip-cold' : 'strip-unknown'} x={x} y={y} width={width} height={height} />
      {part > 0 && <rect className={c.dirty > 0 ? 'strip-dirty' : 'strip-hot'} x={x} y={y + height * (1 - part)} width={width} height={height * part} />}
    </g>
  );
}

const gapOf = (n: number) => (n === 1 || n > 60 ? 0 : 0.12);

function One({ strip, text }: { strip: Strip; text: string }) {
  const n = Math.max(1, strip.cells.length);
  const gap = gapOf(n);
  return (
    <div className="strip">
      <span className="strip-name">{strip.name}</span>
      <svg viewBox={`0 0 ${n} ${kHeight}`} preserveAspectRatio="none" role="img" aria-label={text}>
        <title>{text}</title>
        {strip.cells.map((c, i) => <Mark key={i} cell={c} x={i} y={0} width={1 - gap} height={kHeight} />)}
      </svg>
    </div>
  );
}

// Planes from left to right, time points from top to bottom.
function Grid({ level: l }: { level: LevelCells }) {
  const text = `${levelText(stripOfLevel(l, 't'))}; planes from left to right, time points from top to bottom`;
  const [gx, gy] = [gapOf(l.z_cells), gapOf(l.t_cells)];
  return (
    <svg className="strip-grid" viewBox={`0 0 ${l.z_cells} ${l.t_cells}`} preserveAspectRatio="none" role="img" aria-label={text} style={{ height: Math.min(320, Math.max(60, l.t_cells * 14)) }}>
      <title>{text}</title>
      {Array.from({ length: l.t_cells * l.z_cells }, (_, i) => {
        const [t, z] = [Math.floor(i / l.z_cells), i % l.z_cells];
        return <Mark key={i} cell={cellAt(l, t, z)} x={z} y={t} width={1 - gx} height={1 - gy} />;
      })}
    </svg>
  );
}

const kWays: Record<Way, string> = { z: 'Levels by plane (z)', t: 'Levels by time point (t)', both: 'One level by z and t' };

function Key({ order }: { order: string }) {
  return <p className="strips-key"><span><i className="strip-mark-hot" /> on the SSD</span><span><i className="strip-mark-dirty" /> not yet archived</span><span><i /> in the archive</span>{order && <span>{order}</span>}</p>;
}

function OfImage({ map }: { map: ImageMap }) {
  const ways = waysOf(map);
  const [wanted, setWay] = useState<Way>('z');
  const [chosen, setLevel] = useState(0);
  const way = ways.includes(wanted) ? wanted : ways[0]!;
  const level = map.levels.find((l) => l.level === chosen) ?? map.levels[0];
  const strips = way === 'both' ? [] : map.levels.map((l) => stripOfLevel(l, way));
  const unit = strips.find((s) => s.unit)?.unit;
  const order = way === 'both' ? 'from left to right: planes; from top to bottom: time points' : unit ? `from left to right: ${unitsText(unit)}` : '';
  return (
    <div className="strips-body">
      {(ways.length > 1 || way === 'both') && (
        <div className="strips-choice">
          <select className="input" aria-label="What the map shows" value={way} onChange={(e) => setWay(e.target.value as Way)}>{ways.map((w) => <option key={w} value={w}>{kWays[w]}</option>)}</select>
          {way === 'both' && map.levels.length > 1 && <select className="input" aria-label="Level of the map" value={level?.level} onChange={(e) => setLevel(Number(e.target.value))}>{map.levels.map((l) => <option key={l.level} value={l.level}>level {l.level}</option>)}</select>}
        </div>
      )}
      {way === 'both' && level ? <Grid level={level} /> : strips.map((s) => <One key={s.name} strip={s} text={levelText(s)} />)}
      <Key order={order} />
      {!map.complete && <p className="muted">Dashed parts are not known: there was no time to count them, or their metadata is in the archive.</p>}
    </div>
  );
}

interface Answer {
  map: ImageMap | null;
  strips: Strip[];
}

// Asked for only when somebody wants to see it: it looks at every chunk.
export function ResidencyStrips({ path, isImage, isFolder, axes }: { path: string; isImage: boolean; isFolder: boolean; axes: string }) {
  const [open, setOpen] = useState(false);
  const { data, error } = useQuery({
    enabled: open,
    queryKey: ['residency', path],
    queryFn: async ({ signal }): Promise<Answer> => {
      const map = isImage ? await imageMap(path, signal) : null;
      return { map, strips: map ? [] : await residencyMap(path, isFolder, axes, signal) };
    },
    refetchInterval: usePace(5000),
  });
  const unit = data?.strips.find((s) => s.unit)?.unit;
  return (
    <details className="strips" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>What is on the SSD</summary>
      {data?.map ? <OfImage map={data.map} /> : data ? (
        <div className="strips-body">
          {data.strips.map((s) => <One key={s.name} strip={s} text={stripText(s)} />)}
          <Key order={unit ? `from left to right: ${unit}s` : ''} />
        </div>
      ) : error ? <p className="bad">{sentence(error)}</p> : <p className="muted">Looking at its files…</p>}
    </details>
  );
}
