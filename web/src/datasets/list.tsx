import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, type KeyboardEvent, type MouseEvent } from 'react';
import { folderLink, go, viewLink } from '../app/route';
import { bytes, date, percent, plural } from '../ui/format';
import { Icon } from '../ui/icons';
import { ResidencyBar, StateMark } from '../ui/residency';
import { shapeText, type Row, type Sort, type SortKey } from './rows';
import { Thumbnail } from './thumbnail';
import './list.css';

const kRowHeight = 48;

export const rowLink = (row: Row) => (row.kind === 'dataset' ? viewLink(row.path) : row.kind === 'folder' ? folderLink(row.path) : '');

interface Props {
  rows: Row[];
  tiers: boolean;
  active: string | null;
  selected: ReadonlySet<string>;
  moving: ReadonlySet<string>;
  sort: Sort;
  onSort(key: SortKey): void;
  onActivate(path: string): void;
  onSelect(path: string): void;
  onUp(): void;
}

function folderText(row: Row): string {
  return [row.files ? plural(row.files, 'file') : '', row.images ? plural(row.images, 'image') : ''].filter(Boolean).join(' · ');
}

function Name({ row }: { row: Row }) {
  const link = rowLink(row);
  const about = row.plate ? ['plate', folderText(row)].filter(Boolean).join(' · ') : row.error ? row.error : row.dataset ? `${shapeText(row.dataset)} · ${row.dataset.type} · ${row.dataset.format}` : row.kind === 'folder' ? folderText(row) : '';
  return (
    <span className="row-name">
      {row.dataset || row.plate ? <Thumbnail dataset={row} size={36} /> : <span className="row-icon"><Icon name={row.kind === 'folder' ? 'folder' : row.kind === 'dataset' ? 'image' : 'file'} /></span>}
      <span className="row-text">
        <span className="row-title">
          {link ? <a href={link} tabIndex={-1}>{row.name}</a> : row.name}
          {row.pins.length > 0 && <span className="row-pin" title={`Pinned by ${row.pins.join(', ')}`}><Icon name="pin" /></span>}
          {row.writing && <span className="tag">being written</span>}
        </span>
        {about && <span className={row.error && row.kind === 'file' ? 'row-about row-error' : 'row-about'} title={row.error || undefined}>{about}</span>}
      </span>
    </span>
  );
}

function Header({ sort, onSort }: Pick<Props, 'sort' | 'onSort'>) {
  const cell = (key: SortKey, text: string) => (
    <span role="columnheader" className={`col-${key}`} aria-sort={sort.key === key ? (sort.down ? 'descending' : 'ascending') : 'none'}>
      <button type="button" onClick={() => onSort(key)}>{text}{sort.key === key && <span aria-hidden="true">{sort.down ? ' ↓' : ' ↑'}</span>}</button>
    </span>
  );
  return (
    <div role="row" className="list-head">
      <span role="columnheader" className="col-check"><span className="hidden-text">Selected</span></span>
      {cell('name', 'Name')}
      {cell('size', 'Size')}
      {cell('state', 'On SSD')}
      {cell('mtime', 'Changed')}
    </div>
  );
}

export function List(props: Props) {
  const { rows, active, selected, moving, onActivate, onSelect } = props;
  const box = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => box.current, estimateSize: () => kRowHeight, overscan: 8 });
  const at = rows.findIndex((r) => r.path === active);

  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at);
    // Only when another row becomes active: a poll that changes the rows must not scroll.
    // eslint-disable-next-line
  }, [active]);

  function onKeyDown(e: KeyboardEvent) {
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 480) / kRowHeight) - 2);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows.length, End: rows.length };
    const step = steps[e.key];
    const row = rows[at];
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (step !== undefined && rows.length) {
      const from = at >= 0 ? at : step > 0 ? -1 : 1; // nothing is active yet: the first step is onto the first row
      const next = rows[Math.min(rows.length - 1, Math.max(0, from + step))];
      if (next) onActivate(next.path);
    } else if (e.key === 'Enter' && row && rowLink(row)) go(rowLink(row));
    else if (e.key === ' ' && row) onSelect(row.path);
    else if (e.key === 'Backspace') props.onUp();
    else return;
    e.preventDefault();
  }

  const click = (row: Row) => (e: MouseEvent) => {
    if (!(e.target instanceof Element && e.target.closest('a, label'))) onActivate(row.path);
  };

  return (
    <div className={props.tiers ? 'list' : 'list list-plain'} role="grid" aria-label="Names in this folder" aria-rowcount={rows.length + 1} aria-activedescendant={at >= 0 ? `row-${at}` : undefined} tabIndex={0} onKeyDown={onKeyDown}>
      <Header sort={props.sort} onSort={props.onSort} />
      <div className="list-box" ref={box}>
        <div className="list-inner" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index]!;
            return (
              <div
                key={row.path} id={`row-${item.index}`} role="row" aria-rowindex={item.index + 2} aria-selected={selected.has(row.path)}
                className={`list-row${row.path === active ? ' list-row-active' : ''}`} style={{ transform: `translateY(${item.start}px)` }}
                onClick={click(row)} onDoubleClick={() => rowLink(row) && go(rowLink(row))}
              >
                <span role="gridcell" className="col-check">
                  <label><input type="checkbox" tabIndex={-1} aria-label={`Select ${row.name}`} checked={selected.has(row.path)} onChange={() => onSelect(row.path)} /></label>
                </span>
                <span role="gridcell" className="col-name"><Name row={row} /></span>
                <span role="gridcell" className="col-size">{bytes(row.size)}</span>
                <span role="gridcell" className="col-state">
                  <ResidencyBar state={row.state} size={row.size} resident={row.resident} dirty={row.dirty} moving={moving.has(row.path)} />
                  {row.state === 'partial' ? <span className="state state-partial">{percent(row.resident ?? 0, row.size ?? 0)} %</span> : <StateMark state={row.state} />}
                </span>
                <span role="gridcell" className="col-mtime">{row.mtime ? date(row.mtime) : ''}</span>
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
