import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { Device } from '@luma.gl/core';
import { useEffect, useMemo, useRef, useState, type RefObject } from 'react';
import { get, query, sentence } from '../api/client';
import { nameOf } from '../api/paths';
import { useHasTiers, usePrefetches } from '../api/queries';
import type { Dataset, Listing } from '../api/types';
import { bytes } from '../ui/format';
import type { Limits } from '../viewer/contrast';
import { BarOf, coldText } from '../viewer/overlays';
import type { Labels } from '../viewer/page';
import type { Picture } from '../viewer/snapshot';
import type { ViewerStore } from '../viewer/store';
import { kAborted, Tiles } from '../viewer/tiles';
import { shapeOf } from '../viewer/view';
import { gridOf, LabelTexture, loadLabels } from './labels';
import { loadVolume } from './load';
import { archiveRate, askText, kMostSide, missingBytes, planText, planVolume, volumeBar, voxelsOf, type Plan } from './plan';
import { VolumeStage } from './stage';
import { longestSide, Textures } from './textures';
import './volume.css';

interface Props {
  dataset: Dataset;
  fresh: Dataset; // as it is now: its residency changes
  store: ViewerStore;
  limits: Limits[];
  labels: Labels[];
  labelFill: number;
  picture: RefObject<Picture | null>;
}

type Loading = { state: 'none' | 'loading' | 'stopped' | 'done'; part: number };
const kPaintMs = 250; // a volume that is not whole yet is drawn no more often
const kNone: Loading = { state: 'none', part: 0 };

// The folders of the levels of an OME-Zarr with their sums; null: not known.
function useLevels(d: Dataset, wanted: boolean): { levels: { size: number; resident: number }[] | null; known: boolean } {
  const answer = useQuery({
    enabled: wanted && d.format === 'OME-Zarr',
    queryKey: ['levels', d.path],
    queryFn: async ({ signal }) => {
      const { entries } = await get<Listing>(`api/v1/ls?${query({ path: d.path, totals: 'true', limit: 1000 })}`, signal);
      const found = entries.filter((e) => e.kind === 'directory' && /^\d+$/.test(nameOf(e.path)) && e.state !== '').sort((a, b) => Number(nameOf(a.path)) - Number(nameOf(b.path)));
      return found.length === d.levels?.filter((l) => l.stored).length ? found : null;
    },
    staleTime: 5000,
    retry: 1,
  });
  return { levels: answer.data ?? null, known: !answer.isLoading };
}

// The texture of the labels, and which part of it is here. It is another one with other labels or another time point.
function useLabelTexture(device: Device | null, plan: Plan | null, labels: Labels[], t: number, stage: RefObject<VolumeStage | null>, store: ViewerStore): { numbers: LabelTexture | null; part: number } {
  const [numbers, setNumbers] = useState<LabelTexture | null>(null);
  const [part, setPart] = useState(0);
  useEffect(() => {
    if (!device || !plan || !labels.length) return undefined;
    const grid = gridOf(plan);
    const made = new LabelTexture(device, grid);
    const stop = new AbortController();
    const onError = (error: string) => store.getState().set({ error });
    // What the planes of the viewer have stays theirs: a whole volume would push it out.
    const parts = labels.map(({ tiles, box }) => ({ box, tiles: new Tiles(tiles.dataset, { onCold: () => {}, onStale: () => {}, onError }, undefined, 0) }));
    setNumbers(made);
    setPart(0);
    let here = 0;
    let frame = 0;
    const paint = () => {
      frame = 0;
      setPart(here);
      stage.current?.redraw();
    };
    loadLabels(parts, grid, t, (plane, ids) => made.put(plane, ids), (now) => {
      here = now;
      frame ||= window.setTimeout(paint, kPaintMs);
    }, stop.signal).then(paint, (e: unknown) => e === kAborted || onError(`The labels cannot be shown: ${sentence(e)}`));
    return () => {
      stop.abort();
      window.clearTimeout(frame);
      setNumbers(null);
      stage.current?.forgetLabels();
      made.destroy();
    };
  }, [device, plan, labels, t, stage, store]);
  return { numbers, part };
}

// True when the volume may be fetched: all of it is on the SSD, or somebody has said so.
function useConsent(d: Dataset, fresh: Dataset, plan: Plan | null, channels: number, t: number) {
  const [agreed, setAgreed] = useState<string | null>(null);
  const tiers = useHasTiers();
  const isCold = tiers && (fresh.state === 'cold' || fresh.state === 'partial');
  const { levels, known } = useLevels(d, isCold);
  const prefetches = usePrefetches();
  const missing = isCold && plan ? missingBytes(fresh, plan, channels, levels) : 0;
  const key = `${d.version} ${t}`;
  // What was granted stays so: data may be evicted while it is loaded.
  const once = useRef('');
  if (agreed === key || !isCold || (known && missing === 0)) once.current = key;
  const granted = once.current === key;
  return { granted, wait: isCold && !known, text: askText(missing, archiveRate(prefetches.data ?? [])), agree: () => setAgreed(key) };
}

export default function VolumeView({ dataset: d, fresh, store, limits, labels, labelFill, picture }: Props) {
  const client = useQueryClient();
  const box = useRef<HTMLDivElement>(null);
  const stage = useRef<VolumeStage | null>(null);
  const [device, setDevice] = useState<Device | null>(null);
  const [loading, setLoading] = useState<Loading>(kNone);
  const [cold, setCold] = useState({ tiles: 0, readyAt: 0, reason: '' });
  const [round, again] = useState(0);
  const volume = store((s) => s.view.volume);
  const views = store((s) => s.view.channels);
  const t = store((s) => s.view.t);
  const width = store((s) => s.width);
  const height = store((s) => s.height);
  const key = views.flatMap((c, i) => (c.visible ? [i] : [])).join(',');
  const channels = useMemo(() => key.split(',').filter(Boolean).map(Number), [key]);
  const plan = useMemo(() => planVolume(d, channels.length, device ? longestSide(device) : kMostSide), [d, channels.length, device]);
  const voxels = useMemo(() => voxelsOf(d.type), [d.type]);
  const consent = useConsent(d, fresh, plan, channels.length, t);
  const ready = Boolean(device && plan && channels.length && consent.granted);
  const object = store((s) => s.view.object);
  const { numbers, part: labelPart } = useLabelTexture(ready ? device : null, plan, labels, t, stage, store);

  useEffect(() => {
    const parent = box.current!;
    const { set, look } = store.getState();
    const made = new VolumeStage(parent, { onDevice: setDevice, onLook: look, onFailure: (error) => set({ error }) });
    stage.current = made;
    picture.current = made;
    const observer = new ResizeObserver(([entry]) => set({ width: entry!.contentRect.width, height: entry!.contentRect.height }));
    observer.observe(parent);
    return () => {
      observer.disconnect();
      made.finish();
      stage.current = null;
      picture.current = null;
      setDevice(null);
      parent.replaceChildren();
    };
  }, [d, store, picture]);

  // One set of textures at a time: that of the last view ends before the next one begins.
  const [textures, setTextures] = useState<Textures | null>(null);
  useEffect(() => {
    if (!ready || !device || !plan) return undefined;
    const made = new Textures(device, plan, voxels, channels.length);
    const stop = new AbortController();
    const tiles = new Tiles(d, {
      onCold: (n, etaMs, reason) => setCold({ tiles: n, readyAt: Date.now() + etaMs, reason }),
      onStale: () => void client.invalidateQueries({ queryKey: ['dataset', d.path] }),
      onError: (error) => store.getState().set({ error }),
    }, undefined, 0);
    setTextures(made);
    setLoading({ state: 'loading', part: 0 });
    store.getState().set({ loaded: false });
    let frame = 0;
    let part = 0;
    const paint = () => {
      frame = 0;
      setLoading((l) => ({ ...l, part }));
      stage.current?.redraw();
    };
    halt.current = () => stop.abort();
    loadVolume(tiles, plan, t, channels, (p) => made.put(p.channel, p.plane, p.x, p.y, p.tile), (now) => {
      part = now;
      frame ||= window.setTimeout(paint, kPaintMs);
    }, stop.signal).then(
      () => {
        setLoading({ state: 'done', part: 1 });
        store.getState().set({ loaded: true });
      },
      (e: unknown) => {
        setLoading({ state: 'stopped', part });
        if (e !== kAborted) store.getState().set({ error: sentence(e) });
      },
    ).finally(() => {
      window.clearTimeout(frame);
      stage.current?.redraw();
    });
    return () => {
      stop.abort();
      window.clearTimeout(frame);
      setTextures(null);
      setLoading(kNone);
      made.destroy();
    };
  }, [ready, device, plan, voxels, channels, t, d, client, store, round]);
  const halt = useRef(() => {});

  useEffect(() => {
    if (volume && plan && textures && width > 0) stage.current?.show({ volume, plan, voxels, textures, channels, views, limits, labels: numbers && { numbers, fill: labelFill, chosen: object }, width, height });
  }, [volume, plan, voxels, textures, channels, views, limits, numbers, labelFill, object, width, height]);

  const leave = () => store.getState().change({ volume: null });
  return (
    <>
      <div ref={box} className="canvas" role="img" aria-label={`Volume ${d.name} in 3-D. Drag it or use the arrow keys to turn it, with Ctrl they move it.`} />
      {device && !plan && <Ask text={`No level of this image fits into ${kMostSide} voxels a side and 256 MiB a channel. Add levels with imgop pyramid.`} onLeave={leave} />}
      {plan && !channels.length && <div className="mark" role="status">No channel is shown.</div>}
      {plan && channels.length > 0 && !consent.granted && !consent.wait && <Ask text={consent.text} onAgree={consent.agree} onLeave={leave} />}
      {plan && loading.state === 'loading' && (
        <div className="mark volume-progress">
          <span role="status">{cold.tiles ? `${coldText(cold.readyAt - Date.now())}${cold.reason && `: ${cold.reason}`}` : 'Loading the volume'}: {bytes(loading.part * plan.bytes)} of {bytes(plan.bytes)}</span>
          <progress aria-label="How much of the volume is here" max={1} value={loading.part} />
          <button type="button" className="button button-small" onClick={() => halt.current()}>Cancel</button>
        </div>
      )}
      {plan && loading.state === 'stopped' && (
        <div className="mark volume-progress">
          <span role="status">Only {bytes(loading.part * plan.bytes)} of {bytes(plan.bytes)} are shown</span>
          <button type="button" className="button button-small" onClick={() => again(round + 1)}>Load the rest</button>
        </div>
      )}
      {volume && plan && width > 0 && <BarOf bar={volumeBar(d, plan, volume.zoom, width, height)} where=" in the middle of the view" />}
      {plan && <output className="position volume-about" aria-label="What is drawn">{planText(d, plan)}{shapeOf(d).t > 1 ? `, time point ${t + 1}` : ''}{numbers && labelPart < 1 ? `, ${Math.floor(100 * labelPart)} % of the labels` : ''}</output>}
    </>
  );
}

function Ask({ text, onAgree, onLeave }: { text: string; onAgree?: () => void; onLeave(): void }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  return (
    <div className="volume-ask" role="group" aria-label="Volume">
      <p>{text}</p>
      {onAgree && <button ref={button} type="button" className="button button-primary" onClick={onAgree}>Fetch and show</button>}
      <button type="button" className="button" onClick={onLeave}>Back to planes</button>
    </div>
  );
}
