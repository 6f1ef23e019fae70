import { useQueries } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { get, query, sentence } from '../api/client';
import { usePace } from '../api/events';
import { nameOf, parentOf, shown } from '../api/paths';
import { useHasTiers } from '../api/queries';
import type { Dataset, Entry, Listing } from '../api/types';
import { folderLink, go, parseHash, plateLink, replaceHash, useHash, viewLink } from '../app/route';
import { useTierActions } from '../datasets/actions';
import { Thumbnail } from '../datasets/thumbnail';
import { bytes, plural } from '../ui/format';
import { Icon } from '../ui/icons';
import { Message } from '../ui/message';
import { ResidencyBar, StateMark, stateWord } from '../ui/residency';
import { asGrid, inOrder, neighbour, wellName, within, type Plate, type Well } from './plate';
import './plates.css';

type Style = 'pictures' | 'overview';
const kCell: Record<Style, number> = { pictures: 84, overview: 26 };
const kHead = 34;
const kPollMs = 10_000;

// Sums of the wells, row by row of the plate, for the rows that are seen.
function useStates(folder: string, plate: Plate, rows: number[]): { states: Map<string, Entry>; awaited: Set<string> } {
  const tiers = useHasTiers();
  const pace = usePace(kPollMs);
  const grid = useMemo(() => asGrid(plate), [plate]);
  const folders = [...new Set(rows.flatMap((r) => (grid[r] ?? []).flatMap((w) => (w?.path ? [parentOf(within(folder, w.path))] : []))))];
  return useQueries({
    queries: folders.map((path) => ({
      enabled: tiers,
      queryKey: ['wells', path],
      queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Entry[]> => (await get<Listing>(`api/v1/ls?${query({ path, totals: 'true', limit: 1000 })}`, signal)).entries,
      refetchInterval: pace,
    })),
    combine: (answers) => ({
      states: new Map(answers.flatMap((a) => (a.data ?? []).map((e) => [e.path, e] as const))),
      awaited: new Set(folders.filter((_, i) => answers[i]?.isLoading)),
    }),
  });
}

interface CellProps {
  id: string;
  folder: string;
  plate: Plate;
  well: Well;
  state: Entry | undefined;
  awaited: boolean; // the state may come: no picture is asked for that would wake the archive
  style: Style;
  active: boolean;
  at: { left: number; top: number; side: number };
  onActivate(): void;
  onOpen(): void;
}

function Cell({ id, folder, plate, well, state, awaited, style, active, at, onActivate, onOpen }: CellProps) {
  const name = wellName(plate, well);
  const first = well.fields[0];
  const cold = state?.state === 'cold';
  const text = `${name}: ${well.error ? 'damaged' : plural(well.fields.length, 'field')}${state?.state ? `, ${stateWord(state.state)}` : ''}`;
  return (
    <div id={id} role="gridcell" aria-label={text} title={text} aria-selected={active} className={`well well-${state?.state || 'unknown'} well-${style}`} style={{ transform: `translate(${at.left}px, ${at.top}px)`, width: at.side - 3, height: at.side - 3 }}
      onClick={onActivate} onDoubleClick={onOpen}>
      {style === 'pictures' && first && !cold && !awaited && <Thumbnail dataset={{ path: within(folder, first.path), state: state?.state || null }} size={at.side - 9} />}
      {style === 'pictures' && cold && <span className="well-mark"><Icon name="archive" /></span>}
      {!first && <span className="well-mark">{well.error ? <Icon name="warning" /> : '–'}</span>}
    </div>
  );
}

function Fields({ folder, plate, well, state, onClose }: { folder: string; plate: Plate; well: Well; state: Entry | undefined; onClose(): void }) {
  const { bring, evict } = useTierActions();
  const tiers = useHasTiers();
  const path = within(folder, well.path);
  const acquisitions = new Map((plate.acquisitions ?? []).map((a) => [String(a.id), a.name || `acquisition ${a.id}`]));
  return (
    <aside className="details plate-fields" aria-label={`Fields of ${wellName(plate, well)}`}>
      <header>
        <h2>{wellName(plate, well)}</h2>
        <button type="button" className="icon-button" aria-label="Close the fields" onClick={onClose}><Icon name="close" /></button>
      </header>
      {state?.state && <div className="details-state"><ResidencyBar state={state.state} size={state.size} resident={state.resident} dirty={state.dirty} /><StateMark state={state.state} /></div>}
      {well.error ? <p className="warning"><Icon name="warning" /> {sentence(new Error(well.error))}</p> : well.fields.length === 0 && <p className="muted">This well has no fields.</p>}
      <ul className="field-list">
        {well.fields.map((f, i) => (
          <li key={f.path}>
            <a href={viewLink(within(folder, f.path))}>
              {state?.state === 'cold' ? <span className="thumbnail thumbnail-none field-none"><Icon name="archive" /></span> : <Thumbnail dataset={{ path: within(folder, f.path), state: state?.state || null }} size={96} />}
              <span>Field {i + 1}</span>
              {f.acquisition !== undefined && acquisitions.size > 1 && <span className="muted">{acquisitions.get(String(f.acquisition)) ?? `acquisition ${f.acquisition}`}</span>}
            </a>
          </li>
        ))}
      </ul>
      {tiers && (
        <div className="details-tiers" role="group" aria-label="SSD and archive">
          <button type="button" className="button" disabled={state?.state === 'hot'} onClick={() => void bring([path])}><Icon name="fetch" /> Bring to SSD{state && state.size > state.resident ? ` (${bytes(state.size - state.resident)})` : ''}</button>
          <button type="button" className="button" disabled={state?.resident === 0} title="The data stays in the archive" onClick={() => void evict([path])}><Icon name="release" /> Free SSD space</button>
        </div>
      )}
    </aside>
  );
}

export default function PlatePage({ dataset, plate }: { dataset: Pick<Dataset, 'path' | 'name'>; plate: Plate }) {
  const { path } = dataset;
  const chosen = parseHash(useHash()).query.get('well') ?? '';
  const active = plate.wells.find((w) => w.path === chosen);
  const [style, setStyle] = useState<Style>('pictures');
  const box = useRef<HTMLDivElement>(null);
  const side = kCell[style];
  const grid = useMemo(() => asGrid(plate), [plate]);
  const common = { getScrollElement: () => box.current, estimateSize: () => side, overscan: 2, paddingStart: kHead, scrollPaddingStart: kHead };
  const rows = useVirtualizer({ count: plate.rows.length, ...common });
  const columns = useVirtualizer({ count: plate.columns.length, horizontal: true, ...common });
  useEffect(() => {
    rows.measure();
    columns.measure();
  }, [side]);
  const seenRows = rows.getVirtualItems();
  const seenColumns = columns.getVirtualItems();
  const { states, awaited } = useStates(path, plate, seenRows.map((r) => r.index));
  const choose = (well: Well | undefined) => replaceHash(plateLink(path, well?.path));
  const open = (well: Well | undefined) => well?.fields[0] && go(viewLink(within(path, well.fields[0].path)));

  useEffect(() => {
    if (!active) return;
    rows.scrollToIndex(active.row);
    columns.scrollToIndex(active.column);
    // Only when another well becomes active: a poll must not scroll.
  }, [chosen, side]);

  const onKeyDown = (e: KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const steps: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const all = inOrder(plate);
    const at = all.findIndex((w) => w.path === chosen);
    const step = steps[e.key];
    if (step) choose(active ? neighbour(plate, active, ...step) : all[0]);
    else if (e.key === 'Home') choose(all[0]);
    else if (e.key === 'End') choose(all.at(-1));
    else if (e.key === 'n' || e.key === ']') choose(all[Math.min(all.length - 1, at + 1)]);
    else if (e.key === 'p' || e.key === '[') choose(all[Math.max(0, at - 1)]);
    else if (e.key === 'Enter') open(active);
    else if (e.key === 'Escape' && active) choose(undefined);
    else return;
    e.preventDefault();
  };

  if (!plate.wells.length) return <Message kind="empty" title="This plate has no wells" text="Its metadata names none."><a className="button" href={folderLink(path)}>Show its folders</a></Message>;
  const fields = plate.wells.reduce((n, w) => n + w.fields.length, 0);
  return (
    <div className="plate-page">
      <div className="toolbar" role="toolbar" aria-label="Plate">
        <a className="icon-button" href={folderLink(parentOf(path))} aria-label="Back to the folder" title="Back to the folder"><Icon name="up" /></a>
        <h1 className="toolbar-title">{shown(plate.name || dataset.name || nameOf(path))}</h1>
        <span className="muted plate-about">{plural(plate.wells.length, 'well')}, {plural(fields, 'field')}{(plate.acquisitions?.length ?? 0) > 1 ? `, ${plural(plate.acquisitions!.length, 'acquisition')}` : ''}</span>
        <select className="input" aria-label="Wells are shown as" value={style} onChange={(e) => setStyle(e.target.value as Style)}>
          <option value="pictures">Pictures</option>
          <option value="overview">Overview</option>
        </select>
      </div>
      <div className="plate-main">
        <div ref={box} className="plate-box" role="grid" aria-label={`Wells of ${shown(plate.name || dataset.name)}`} aria-rowcount={plate.rows.length} aria-colcount={plate.columns.length} tabIndex={0} aria-activedescendant={active ? `well-${active.path}` : undefined} onKeyDown={onKeyDown}>
          <div className="plate-inner" style={{ width: columns.getTotalSize(), height: rows.getTotalSize() }}>
            <div className="plate-columns" style={{ height: kHead }} aria-hidden="true">
              {seenColumns.map((c) => <span key={c.index} className={active?.column === c.index ? 'plate-name plate-name-on' : 'plate-name'} style={{ transform: `translateX(${c.start}px)`, width: side - 3 }}>{plate.columns[c.index]}</span>)}
            </div>
            <div className="plate-rows" style={{ width: kHead }} aria-hidden="true">
              {seenRows.map((r) => <span key={r.index} className={active?.row === r.index ? 'plate-name plate-name-on' : 'plate-name'} style={{ transform: `translateY(${r.start - kHead}px)`, height: side - 3 }}>{plate.rows[r.index]}</span>)}
            </div>
            {seenRows.map((r) => (
              <div key={r.index} role="row" aria-rowindex={r.index + 1}>
                {seenColumns.map((c) => {
                  const well = grid[r.index]?.[c.index];
                  if (!well) return <span key={c.index} role="gridcell" aria-label={`${plate.rows[r.index]}${plate.columns[c.index]}: not imaged`} className="well well-none" style={{ transform: `translate(${c.start}px, ${r.start}px)`, width: side - 3, height: side - 3 }} />;
                  return (
                    <Cell key={c.index} id={`well-${well.path}`} folder={path} plate={plate} well={well} style={style} active={well === active} state={states.get(within(path, well.path))} awaited={awaited.has(parentOf(within(path, well.path)))} at={{ left: c.start, top: r.start, side }}
                      onActivate={() => choose(well)} onOpen={() => open(well)} />
                  );
                })}
              </div>
            ))}
          </div>
        </div>
        {active && <Fields folder={path} plate={plate} well={active} state={states.get(within(path, active.path))} onClose={() => choose(undefined)} />}
      </div>
    </div>
  );
}
