import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { shown } from '../api/paths';
import { cellText, decimalsOf, type Order, type Table } from './table';

const kRow = 26;
const kMostHeight = 8_000_000; // browsers draw nothing beyond some 17 million pixels
const kMostColumns = 200;

interface Props {
  table: Table;
  order: Uint32Array;
  sort: Order | null;
  selected: number | null; // a row of the table
  name: string;
  onSort(column: string): void;
  onSelect(row: number): void;
  onOpen?(row: number): void;
}

export interface Window {
  first: number;
  offset: number; // of the first row, from the top of the box
}

// Which rows a scrolled box shows. The whole may be squeezed: then a pixel is many rows.
export function windowAt(scroll: number, rows: number, view: number): Window & { height: number } {
  const height = Math.min(rows * kRow, kMostHeight);
  const reach = Math.max(1, height - view);
  const at = (Math.min(scroll, reach) / reach) * Math.max(0, rows - view / kRow);
  const first = Math.floor(at);
  return { first, offset: -(at - first) * kRow, height };
}

function widths(t: Table, decimals: number[]): string {
  return t.columns.slice(0, kMostColumns).map((c, i) => {
    let most = c.name.length + 2;
    for (let r = 0; r < Math.min(t.rows, 60); r++) most = Math.max(most, shown(cellText(c, r, decimals[i]!)).length);
    return `${Math.min(34, Math.max(6, most)) + 2}ch`;
  }).join(' ');
}

// Sorted rows, of which only those in sight are in the document.
export function Grid({ table, order, sort, selected, name, onSort, onSelect, onOpen }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState(0);
  const [view, setView] = useState(400);
  const decimals = useMemo(() => table.columns.map(decimalsOf), [table]);
  const columns = useMemo(() => widths(table, decimals), [table, decimals]);
  const { first, offset, height } = windowAt(scroll, order.length, view);
  const last = Math.min(order.length, first + Math.ceil(view / kRow) + 2);
  const at = useMemo(() => (selected === null ? -1 : order.indexOf(selected)), [order, selected]);

  useEffect(() => {
    const observer = new ResizeObserver(([e]) => setView(Math.max(kRow, e!.contentRect.height - kRow - 4)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (at < 0 || !box.current) return;
    const now = windowAt(box.current.scrollTop, order.length, view);
    const whole = Math.floor(view / kRow);
    if (at > now.first && at < now.first + whole - 1) return;
    // In the middle, so that one sees what comes before and after.
    const reach = Math.max(1, now.height - view);
    box.current.scrollTop = (Math.max(0, at - whole / 2) / Math.max(1, order.length - view / kRow)) * reach;
    // Only when another row is selected, or the box becomes higher or lower: not while one scrolls.
  }, [at, view]);

  const onKeyDown = (e: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(view / kRow) - 1);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -order.length, End: order.length };
    const step = steps[e.key];
    if (e.target !== e.currentTarget || e.ctrlKey || e.metaKey || e.altKey) return;
    if (step !== undefined && order.length) onSelect(order[Math.min(order.length - 1, Math.max(0, (at < 0 ? (step > 0 ? -1 : 1) : at) + step))]!);
    else if (e.key === 'Enter' && at >= 0 && onOpen) onOpen(order[at]!);
    else return;
    e.preventDefault();
    e.stopPropagation();
  };

  const shownColumns = table.columns.slice(0, kMostColumns);
  const rows = [];
  for (let i = first; i < last; i++) {
    const r = order[i]!;
    rows.push(
      <div key={i} id={`${name}-row-${i}`} role="row" aria-rowindex={i + 2} aria-selected={i === at} className={i === at ? 'grid-row grid-row-selected' : 'grid-row'} style={{ gridTemplateColumns: columns }} onClick={() => onSelect(r)} onDoubleClick={() => onOpen?.(r)}>
        {shownColumns.map((c, k) => <span key={k} role="gridcell" className={c.numbers ? 'num' : undefined} title={c.numbers ? String(c.numbers[r]) : undefined}>{shown(cellText(c, r, decimals[k]!))}</span>)}
      </div>,
    );
  }
  return (
    <div ref={box} className="grid" role="grid" aria-label={name} aria-rowcount={order.length + 1} aria-colcount={table.columns.length} aria-activedescendant={at >= first && at < last ? `${name}-row-${at}` : undefined} tabIndex={0} onKeyDown={onKeyDown} onScroll={(e) => setScroll(e.currentTarget.scrollTop)}>
      <div className="grid-head" role="row" style={{ gridTemplateColumns: columns }}>
        {shownColumns.map((c) => (
          <span key={c.name} role="columnheader" className={c.numbers ? 'num' : undefined} aria-sort={sort?.column === c.name ? (sort.down ? 'descending' : 'ascending') : 'none'}>
            <button type="button" title={`Sort by ${c.name}`} onClick={() => onSort(c.name)}>{shown(c.name)}<span aria-hidden="true">{sort?.column === c.name ? (sort.down ? ' ↓' : ' ↑') : ''}</span></button>
          </span>
        ))}
      </div>
      <div className="grid-body" style={{ height }}>
        <div className="grid-rows" style={{ transform: `translateY(${scroll + offset}px)` }}>{rows}</div>
      </div>
    </div>
  );
}
