import { useQueries, useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { ApiError, sentence } from '../api/client';
import { joinPath, parentOf, shown } from '../api/paths';
import { datasetQuery, useDataset, useHasTiers } from '../api/queries';
import { useResults, type ResultFile } from '../api/runs';
import type { Dataset } from '../api/types';
import { folderLink, parseHash, replaceHash } from '../app/route';
import { useUi } from '../app/store';
import { tableOf } from '../runs/pairs';
import { isPlate } from '../plates/plate';
import { WellBar } from '../plates/well-bar';
import { Message } from '../ui/message';
import { Canvas } from './canvas';
import { Dock } from './dock';
import { areLimitsKnown, rememberHistograms, useHistograms, useLimits } from './histograms';
import { useViewerKeys } from './keys';
import { LineOverlay, ProfilePanel } from './measure';
import { ColdMark, coldText, labelAt, Position, ScaleBar } from './overlays';
import { Panel } from './panel';
import { kMostVolumeBlocks, partsAt, partsOf, timesOf, type Box, type Part } from './parts';
import { Planes } from './planes';
import { SlicePanel } from './slice-panel';
import { save, snapshot, snapshotName, type Picture } from './snapshot';
import { levelsOf, type Level } from './source';
import { hasWebGl } from './stage';
import { lookAheadInDepth } from './steps';
import { cameraOf, createViewer, type ViewerStore } from './store';
import { Tiles } from './tiles';
import { Toolbar } from './toolbar';
import { formatView, parseView, type View } from './view';
import './viewer.css';

const PlatePage = lazy(() => import('../plates/page'));
const VolumeView = lazy(() => import('../volume/page'));
const PlainCanvas = lazy(() => import('../plain/page'));

// The address follows the view, and the view follows the address when somebody changes that.
function useAddress(store: ViewerStore, d: Dataset): void {
  useEffect(() => {
    let written = window.location.hash;
    let timer = 0;
    const stop = store.subscribe((now, before) => {
      if (now.view === before.view) return;
      window.clearTimeout(timer);
      timer = window.setTimeout(() => {
        if (window.location.hash !== written) return; // somebody goes elsewhere, and the page has not heard of it yet
        replaceHash(formatView(d.path, store.getState().view, d));
        written = window.location.hash; // as the browser writes it
      }, 200);
    });
    const onHash = () => {
      const { page, query } = parseHash(window.location.hash);
      if (window.location.hash === written || page !== 'view' || query.get('path') !== d.path) return;
      written = window.location.hash;
      store.getState().change(parseView(query, d));
    };
    window.addEventListener('hashchange', onHash);
    return () => {
      stop();
      window.clearTimeout(timer);
      window.removeEventListener('hashchange', onHash);
    };
  }, [store, d]);
}

export interface Labels {
  path: string;
  levels: Level[];
  tiles: Tiles;
  box: Box | null; // the part of the image that they are of
}

const kNoFiles: ResultFile[] = [];

// What is shown of labels at a time point. Those of a run may be of single time points or of blocks, each an image of its
// own.
function useParts(d: Dataset, { labels, run, t, z: plane, volume }: View): { parts: Part[]; note: string; files: ResultFile[] } {
  const results = useResults(labels.startsWith('/') ? run : '', true);
  const files = results.data?.files ?? kNoFiles;
  const all = useMemo(() => partsOf(files, d.path, labels), [files, d.path, labels]);
  const z = volume ? null : plane;
  return useMemo(() => {
    // Until it is known where they belong they are not drawn in a wrong place.
    if (!labels || (results.isPending && results.fetchStatus !== 'idle')) return { parts: [], note: '', files };
    if (!labels.startsWith('/')) return { parts: [{ path: joinPath(d.path, `labels/${labels}`), box: null }], note: '', files };
    const parts = partsAt(all, labels, t, z);
    if (parts.length === kMostVolumeBlocks) return { parts, note: `No more than ${kMostVolumeBlocks} blocks of labels are shown.`, files };
    return { parts, note: parts.length ? '' : `There are no labels of time point ${t + 1}, only of ${timesOf(all)}.`, files };
  }, [all, files, d.path, labels, t, z, results.isPending, results.fetchStatus]);
}

// Those of a run are images of their own, anywhere.
function useLabels(parts: Part[], own: string, onError: (text: string) => void): Labels[] {
  const key = parts.map((p) => p.path).join('\n');
  const answers = useQueries({ queries: parts.map((p) => datasetQuery(p.path)) });
  const failed = answers.findIndex((a) => a.error);
  const error = answers[failed]?.error;
  useEffect(() => {
    if (error) onError(`The labels ${shown(own || (parts[failed]?.path ?? ''))} cannot be shown: ${sentence(error)}`);
  }, [key, error]);
  // Tiles stay with their image while blocks come and go.
  const made = useRef(new Map<string, { levels: Level[]; tiles: Tiles }>());
  const versions = answers.map((a) => a.data?.version ?? '').join('\n');
  return useMemo(() => {
    const next = new Map<string, { levels: Level[]; tiles: Tiles }>();
    const out = parts.flatMap(({ path, box }, i): Labels[] => {
      const data = answers[i]?.data;
      if (!data || data.path !== path) return [];
      const id = `${path} ${data.version}`;
      let found = made.current.get(id);
      if (!found) {
        const tiles = new Tiles(data, { onCold: () => {}, onStale: () => {}, onError: () => {} }, undefined, parts.length > 1 ? kBlockBytes : undefined);
        found = { tiles, levels: levelsOf(tiles) };
      }
      next.set(id, found);
      return [{ path, box, ...found }];
    });
    made.current = next;
    return out;
  }, [parts, key, versions]);
}
const kBlockBytes = 8 * 2 ** 20; // there may be many
const kNoParts: Part[] = [];

function Viewer({ dataset: d, fresh }: { dataset: Dataset; fresh: Dataset }) {
  const client = useQueryClient();
  const say = useUi((s) => s.say);
  const [store] = useState(() => createViewer(d, parseView(parseHash(window.location.hash).query, d), !hasWebGl()));
  const { plain } = store.getState();
  const onStale = () => void client.invalidateQueries({ queryKey: ['dataset', d.path] });
  const tiles = useMemo(() => new Tiles(d, {
    // Without WebGL these are not what is drawn.
    onCold: (n, etaMs, reason) => plain || store.getState().set({ cold: { tiles: n, readyAt: Date.now() + etaMs, reason } }),
    onStale,
    onError: (error) => store.getState().set({ error }),
  }), [d, store, client]);
  // The small picture comes while the canvas is made.
  useLayoutEffect(() => {
    const first = store.getState().view;
    if (plain || first.volume || first.projection) return undefined;
    const stop = new AbortController();
    tiles.prime(first.t, first.z, first.channels.flatMap((c, i) => (c.visible ? [i] : [])), stop.signal);
    const unsubscribe = store.subscribe(({ view: { t, z } }) => (t !== first.t || z !== first.z) && stop.abort());
    return () => {
      unsubscribe();
      stop.abort();
    };
  }, [tiles, store, plain]);
  const tiered = useHasTiers();
  const isHere = useRef(false);
  isHere.current = !tiered || fresh.state === 'hot' || (fresh.state === 'dirty' && fresh.resident === fresh.size);
  useEffect(() => (plain ? undefined : lookAheadInDepth(store, d, tiles, () => isHere.current)), [store, d, tiles, plain]);
  const view = store((s) => s.view);
  const histograms = useHistograms(d, view);
  const limits = useLimits(d, view, histograms);
  const [labelFill, setLabelFill] = useState(0.15);
  const [panel, setPanel] = useState(() => window.innerWidth > 720);
  const { parts, note, files } = useParts(d, view);
  const labels = useLabels(plain ? kNoParts : parts, parts[0]?.path.startsWith(`${d.path}/`) ? view.labels : '', (text) => say('error', text));
  const picture = useRef<Picture | null>(null);
  // Labels that came with the address can be chosen again.
  const last = useRef('');
  if (view.labels.startsWith('/')) last.current = view.labels;
  const foreign = last.current;
  const [small, setSmall] = useState(false);
  useAddress(store, d);

  const pick = (x: number, y: number) => {
    const s = store.getState();
    if (s.measuring) {
      if (s.draft) {
        s.change({ line: { x1: s.draft.x, y1: s.draft.y, x2: x, y2: y } });
        s.set({ draft: null, measuring: false });
      } else s.set({ draft: { x, y } });
      return;
    }
    if (!labels.length) return;
    const found = labelAt(labels, s.view.t, s.view.z, x, y);
    if (!found || found.path === labels[0]!.path) {
      s.change({ object: found?.object ?? 0 });
      return;
    }
    // Another block: its objects have numbers of their own, and maybe a table of their own.
    const file = (path: string) => files.find((f) => f.path === path);
    const [from, to] = [file(labels[0]!.path), file(found.path)];
    const table = from && to && tableOf(from, files) === s.view.table ? tableOf(to, files) : s.view.table;
    s.change({ labels: found.path, object: found.object, table });
  };

  const takeSnapshot = async () => {
    if (!picture.current) return;
    try {
      const { t, z, volume } = store.getState().view;
      save(await snapshot(picture.current.canvas(), d, volume ? null : cameraOf(store.getState(), d).zoom), snapshotName(d, t, volume ? null : z));
    } catch (e) {
      say('error', sentence(e));
    }
  };
  const copyLink = async () => {
    const link = new URL(formatView(d.path, store.getState().view, d), window.location.href).href;
    try {
      await navigator.clipboard.writeText(link);
      say('info', 'The link to this view is in the clipboard.');
    } catch {
      say('info', `Copy this link: ${link}`);
    }
  };
  useViewerKeys(store, d, { snapshot: () => void takeSnapshot(), histograms, labels: foreign || d.labels[0] || '' });

  return (
    <div className="viewer">
      <Toolbar dataset={d} store={store} panel={panel} onPanel={() => setPanel(!panel)} onSnapshot={() => void takeSnapshot()} onLink={() => void copyLink()} />
      {typeof d.plate === 'string' && d.plate !== '' && <WellBar dataset={d} folder={d.plate} store={store} />}
      <div className="viewer-main">
        <div className="viewer-stage">
          {view.volume ? (
            <Suspense fallback={<div className="mark" role="status"><span className="spinner" aria-hidden="true" />Loading the 3-D view</div>}>
              <VolumeView dataset={d} fresh={fresh} store={store} limits={limits} labels={labels} labelFill={labelFill} picture={picture} />
            </Suspense>
          ) : (
            <>
              {plain ? <Suspense><PlainCanvas dataset={d} tiles={tiles} store={store} limits={limits} settled={areLimitsKnown(d, view, histograms)} picture={picture} onPick={pick} onStale={onStale} /></Suspense>
                : <Canvas dataset={d} tiles={tiles} store={store} limits={limits} labels={labels} labelFill={labelFill} stage={picture} onPick={pick} />}
              {view.slices && <span className="cross" aria-hidden="true" />}
              <LineOverlay dataset={d} store={store} />
              <Position dataset={d} store={store} labels={labels} />
              <ScaleBar dataset={d} store={store} />
            </>
          )}
          <ColdMark store={store} />
        </div>
        {panel && <Panel dataset={fresh} tiles={tiles} store={store} limits={limits} histograms={histograms} labels={labels} labelsNote={note} foreign={foreign} labelFill={labelFill} onLabelFill={setLabelFill} />}
      </div>
      {view.slices && !view.volume && <SlicePanel dataset={d} store={store} tiles={tiles} limits={limits} />}
      {view.line && !view.volume && <ProfilePanel dataset={d} store={store} tiles={tiles} line={view.line} />}
      {view.table && <Dock dataset={d} store={store} path={view.table} scale={2 ** (labels[0]?.box?.level ?? 0)} small={small} onSmall={setSmall} />}
      <Planes dataset={d} store={store} />
    </div>
  );
}

export { warmUp } from './stage';

export default function ViewerPage({ path }: { path: string }) {
  const { data, error, failureReason } = useDataset(path);
  const client = useQueryClient();
  useMemo(() => data && rememberHistograms(client, data), [client, data]);
  // The residency changes all the time; the picture begins anew only with another version of the bytes.
  const image = useRef<Dataset | null>(null);
  if (data && (image.current?.path !== data.path || image.current.version !== data.version)) image.current = data;
  const back = <a className="button" href={folderLink(parentOf(path))}>Back to the folder</a>;
  if (!data || !image.current) {
    if (error) return <Message kind="error" title="This image cannot be opened" text={sentence(error)}>{back}</Message>;
    const recalling = failureReason instanceof ApiError && failureReason.recalling ? failureReason : null;
    return <Message kind="wait" title="Opening the image" text={recalling ? `${coldText(recalling.etaMs)}.` : ''} />;
  }
  if (isPlate(data.plate)) return <PlatePage dataset={data} plate={data.plate} />;
  if (data.not_decodable) return <Message kind="error" title="The pixels of this image cannot be shown" text={sentence(data.not_decodable)}>{back}</Message>;
  return <Viewer key={image.current.version} dataset={image.current} fresh={data} />;
}
