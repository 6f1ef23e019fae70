import { useEffect, useMemo, useRef, useState } from 'react';
import { ApiError, sentence } from '../api/client';
import { crumbs, parentOf, shown } from '../api/paths';
import { isMoving, useDatasets, useFolder, useHasTiers, usePrefetches, useTotals } from '../api/queries';
import { loadViewerWhenIdle } from '../app/ahead';
import { findLink, folderLink, go } from '../app/route';
import { isReadable } from '../api/types';
import { useUi } from '../app/store';
import { plural } from '../ui/format';
import { Icon } from '../ui/icons';
import { Message } from '../ui/message';
import { useTierActions } from './actions';
import { Details } from './details';
import { Keep } from './keep';
import { List } from './list';
import { arrange, mergeRows, type Sort, type SortKey } from './rows';
import { Transfers } from './transfers';
import './page.css';

function Breadcrumb({ path }: { path: string }) {
  const all = crumbs(path);
  return (
    <nav className="crumbs" aria-label="Folder">
      {all.map((c, i) => (
        <span key={c.path}>
          {i > 0 && <span className="crumb-slash" aria-hidden="true">/</span>}
          {i < all.length - 1 ? <a href={folderLink(c.path)}>{c.name}</a> : <strong aria-current="page">{c.name}</strong>}
        </span>
      ))}
    </nav>
  );
}

export function DatasetsPage({ path }: { path: string }) {
  const tiers = useHasTiers();
  const prefetches = usePrefetches();
  const busy = prefetches.data?.some(isMoving) ?? false;
  const folder = useFolder(path, busy);
  const totals = useTotals(path, busy);
  const images = useDatasets(path, busy);
  const fetching = useUi((s) => s.fetching);
  const { bring, evict, publish } = useTierActions();
  const [sort, setSort] = useState<Sort>({ key: 'name', down: false });
  const [filter, setFilter] = useState('');
  const [active, setActive] = useState<string | null>(null);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [keeping, setKeeping] = useState<string[]>([]);
  const filterBox = useRef<HTMLInputElement>(null);

  useEffect(() => {
    setFilter('');
    setActive(null);
    setSelected(new Set());
  }, [path]);

  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.key !== '/' || e.ctrlKey || e.metaKey || (e.target instanceof HTMLElement && e.target.matches('input, textarea, select'))) return;
      e.preventDefault();
      filterBox.current?.focus();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);

  const rows = useMemo(
    () => mergeRows(path, folder.data?.entries ?? [], totals.data?.entries ?? [], images.data?.datasets),
    [path, folder.data, totals.data, images.data],
  );
  const isListed = rows.length > 0;
  const first = images.data?.datasets.find(isReadable);
  useEffect(() => (isListed && !images.isPending ? loadViewerWhenIdle(first) : undefined), [isListed, images.isPending]);
  const shownRows = useMemo(() => arrange(rows, sort, filter), [rows, sort, filter]);
  const moving = useMemo(() => new Set((prefetches.data ?? []).filter(isMoving).flatMap((p) => fetching[p.id] ?? [])), [prefetches.data, fetching]);
  const activeRow = rows.find((r) => r.path === active);
  const chosen = [...selected].filter((p) => rows.some((r) => r.path === p));

  const onSort = (key: SortKey) => setSort((s) => ({ key, down: s.key === key ? !s.down : key === 'size' || key === 'mtime' }));
  const onSelect = (p: string) =>
    setSelected((old) => {
      const next = new Set(old);
      if (!next.delete(p)) next.add(p);
      return next;
    });

  const searchable = tiers && filter.trim() !== '';

  const body = () => {
    // Without tierd there are still images.
    if (folder.error && !folder.data && !rows.length && !images.isPending) {
      const gone = folder.error instanceof ApiError && folder.error.status === 404;
      return (
        <Message kind="error" title={gone ? 'This folder does not exist' : 'The folder cannot be listed'} text={sentence(folder.error)}>
          {path !== '/' && <a className="button" href={folderLink(gone ? '/' : parentOf(path))}>{gone ? 'Show all data' : 'Go up'}</a>}
        </Message>
      );
    }
    if (!folder.data && !rows.length) return <Message kind="wait" title="Listing the folder" />;
    if (!rows.length) return <Message kind="empty" title="This folder is empty" text="Files appear here as soon as they are written to the mount or found in the archive." />;
    if (!shownRows.length) {
      return (
        <Message kind="empty" title="No name matches" text={`Nothing in this folder contains “${filter}”.`}>
          {searchable && <a className="button" href={findLink(filter.trim(), path)}>Search the folders below</a>}
        </Message>
      );
    }
    return (
      <List rows={shownRows} tiers={tiers} active={active} selected={selected} moving={moving} sort={sort} onSort={onSort} onActivate={setActive} onSelect={onSelect}
        onUp={() => path !== '/' && go(folderLink(parentOf(path)))} />
    );
  };

  const target = chosen.length ? chosen : [path];
  const what = chosen.length ? plural(chosen.length, 'selected item') : 'this folder';
  return (
    <div className="datasets">
      <h1 className="hidden-text">Datasets in {path === '/' ? 'all data' : shown(path)}</h1>
      <div className="datasets-bar">
        <Breadcrumb path={path} />
        <input ref={filterBox} type="search" className="input" placeholder="Filter names" aria-label="Filter names" value={filter} onChange={(e) => setFilter(e.target.value)}
          onKeyDown={(e) => e.key === 'Enter' && searchable && go(findLink(filter.trim(), path))} />
        {tiers && <div className="datasets-actions">
          <button type="button" className="button" aria-label={`Bring to SSD: ${what}`} disabled={!rows.length} onClick={() => void bring(target)}><Icon name="fetch" /> Bring to SSD</button>
          <button type="button" className="button" aria-label={`Free space: ${what}`} disabled={!rows.length} title="The data stays in the archive" onClick={() => void evict(target)}><Icon name="release" /> Free space</button>
          <button type="button" className="button" aria-haspopup="dialog" aria-label={`Keep: ${what}`} disabled={!rows.length} title="It is not evicted until somebody unpins it" onClick={() => setKeeping(target)}><Icon name="pin" /> Keep…</button>
          <button type="button" className="button" aria-label={`Publish: ${what}`} disabled={!rows.length} title="Send to the archive now, without waiting" onClick={() => void publish(target)}><Icon name="archive" /> Publish</button>
        </div>}
      </div>
      <Transfers prefetches={prefetches.data ?? []} />
      <div className="datasets-main">
        <div className="datasets-list">{body()}</div>
        {activeRow && <Details row={activeRow} tiers={tiers} onKeep={() => setKeeping([activeRow.path])} onClose={() => setActive(null)} />}
      </div>
      <Keep paths={keeping} onClose={() => setKeeping([])} />
      <footer className="datasets-foot">
        <span>{plural(rows.length, 'name')}{chosen.length ? `, ${chosen.length} selected` : ''}{folder.data && !folder.data.complete ? ': the folder has more; use a deeper folder' : ''}</span>
        {searchable && <a href={findLink(filter.trim(), path)}>Search the folders below for “{filter.trim()}” (Enter)</a>}
        {tiers && folder.error && rows.length ? <span className="bad">{sentence(folder.error)}</span> : null}
        {images.error ? <span className="bad">Images: {sentence(images.error)}</span> : null}
        {images.data?.left_out.length ? <span title={images.data.left_out.map(shown).join('\n')}>Not searched: {shown(images.data.left_out[0] ?? '')}{images.data.left_out.length > 1 ? ` and ${images.data.left_out.length - 1} more` : ''}</span> : null}
      </footer>
    </div>
  );
}
