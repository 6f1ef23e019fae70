import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { sentence } from '../api/client';
import { joinPath, parentOf } from '../api/paths';
import { useDataset } from '../api/queries';
import type { Dataset } from '../api/types';
import { folderLink, parseHash, replaceHash } from '../app/route';
import { useUi } from '../app/store';
import { Message } from '../ui/message';
import { Canvas } from './canvas';
import { useHistograms, useLimits } from './histograms';
import { useViewerKeys } from './keys';
import { ColdMark, Position, ScaleBar } from './overlays';
import { Panel } from './panel';
import { Planes } from './planes';
import { save, snapshot, snapshotName } from './snapshot';
import { levelsOf, type Level } from './source';
import { hasWebGl, type Stage } from './stage';
import { cameraOf, createViewer, type ViewerStore } from './store';
import { Tiles } from './tiles';
import { Toolbar } from './toolbar';
import { formatView, parseView } from './view';
import './viewer.css';

// The address follows the view, and the view follows the address when somebody changes that.
function useAddress(store: ViewerStore, d: Dataset): void {
  useEffect(() => {
    let written = window.location.hash;
    let timer = 0;
    const stop = store.subscribe((now, before) => {
      if (now.view === before.view) return;
      window.clearTimeout(timer);
      timer = window.setTimeout(() => {
        written = formatView(d.path, store.getState().view, d);
        replaceHash(written);
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

function useLabels(d: Dataset, name: string, onError: (text: string) => void): Level[] | null {
  const { data, error } = useDataset(name ? joinPath(d.path, `labels/${name}`) : '');
  useEffect(() => {
    if (name && error) onError(`The labels ${name} cannot be shown: ${sentence(error)}`);
  }, [name, error]);
  return useMemo(() => {
    if (!name || !data?.path.endsWith(`/${name}`)) return null;
    return levelsOf(new Tiles(data, { onCold: () => {}, onStale: () => {}, onError: () => {} }));
  }, [name, data?.path, data?.version]);
}

function Viewer({ dataset: d, fresh }: { dataset: Dataset; fresh: Dataset }) {
  const client = useQueryClient();
  const say = useUi((s) => s.say);
  const [store] = useState(() => createViewer(d, parseView(parseHash(window.location.hash).query, d)));
  const tiles = useMemo(() => new Tiles(d, {
    onCold: (n, etaMs, reason) => store.getState().set({ cold: { tiles: n, readyAt: Date.now() + etaMs, reason } }),
    onStale: () => void client.invalidateQueries({ queryKey: ['dataset', d.path] }),
    onError: (error) => store.getState().set({ error }),
  }), [d, store, client]);
  const view = store((s) => s.view);
  const histograms = useHistograms(d, view);
  const limits = useLimits(d, view, histograms);
  const [labelFill, setLabelFill] = useState(0.15);
  const [panel, setPanel] = useState(() => window.innerWidth > 720);
  const labels = useLabels(d, view.labels, (text) => say('error', text));
  const stage = useRef<Stage | null>(null);
  useAddress(store, d);

  const takeSnapshot = async () => {
    if (!stage.current) return;
    try {
      const { t, z } = store.getState().view;
      save(await snapshot(stage.current.canvas(), d, cameraOf(store.getState(), d).zoom), snapshotName(d, t, z));
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
  useViewerKeys(store, d, { snapshot: () => void takeSnapshot(), histograms });

  return (
    <div className="viewer">
      <Toolbar dataset={d} store={store} panel={panel} onPanel={() => setPanel(!panel)} onSnapshot={() => void takeSnapshot()} onLink={() => void copyLink()} />
      <div className="viewer-main">
        <div className="viewer-stage">
          <Canvas dataset={d} tiles={tiles} store={store} limits={limits} labels={labels} labelFill={labelFill} stage={stage} />
          <ColdMark store={store} />
          <Position dataset={d} store={store} />
          <ScaleBar dataset={d} store={store} />
        </div>
        {panel && <Panel dataset={fresh} tiles={tiles} store={store} limits={limits} histograms={histograms} labelFill={labelFill} onLabelFill={setLabelFill} />}
      </div>
      <Planes dataset={d} store={store} />
    </div>
  );
}

export default function ViewerPage({ path }: { path: string }) {
  const { data, error } = useDataset(path);
  // The residency changes all the time; the picture begins anew only with another version of the bytes.
  const image = useRef<Dataset | null>(null);
  if (data && (image.current?.path !== data.path || image.current.version !== data.version)) image.current = data;
  const back = <a className="button" href={folderLink(parentOf(path))}>Back to the folder</a>;
  if (!data || !image.current) {
    if (error) return <Message kind="error" title="This image cannot be opened" text={sentence(error)}>{back}</Message>;
    return <Message kind="wait" title="Opening the image" />;
  }
  if (data.not_decodable) return <Message kind="error" title="The pixels of this image cannot be shown" text={sentence(data.not_decodable)}>{back}</Message>;
  if (!hasWebGl()) return <Message kind="error" title="This browser has no WebGL 2" text="The viewer needs it. Allow hardware acceleration in the browser's settings, or use a current Firefox or Chromium.">{back}</Message>;
  return <Viewer key={image.current.version} dataset={image.current} fresh={data} />;
}
