import { useEffect, useMemo, useRef, useState, type PointerEvent } from 'react';
import type { Dataset } from '../api/types';
import { Icon } from '../ui/icons';
import type { Limits } from './contrast';
import { aspectOf, loadStack, sliceOf, stackOf, type Look, type Stack } from './slices';
import { cameraOf, type ViewerStore } from './store';
import type { Tile, Tiles } from './tiles';
import { shapeOf } from './view';

interface Props {
  dataset: Dataset;
  store: ViewerStore;
  tiles: Tiles;
  limits: Limits[];
}

interface SliceProps {
  dataset: Dataset;
  store: ViewerStore;
  stack: Stack;
  planes: (Map<number, Tile> | undefined)[];
  arrived: number;
  looks: Look[];
  across: 'x' | 'y';
}

// One slice through the middle of the picture. A click goes to its place.
function Slice({ dataset, store, stack, planes, arrived, looks, across }: SliceProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shape = shapeOf(dataset);
  const scale = shape.x / stack.width;
  const x = store((s) => cameraOf(s, dataset).x);
  const y = store((s) => cameraOf(s, dataset).y);
  const z = store((s) => s.view.z);
  const at = Math.floor((across === 'x' ? y : x) / scale);
  const n = across === 'x' ? stack.width : stack.height;
  useEffect(() => {
    const c = canvas.current?.getContext('2d');
    if (!c) return;
    c.putImageData(new ImageData(sliceOf(planes, stack, across, at, looks), n, stack.planes.length), 0, 0);
  }, [planes, arrived, stack, across, at, looks, n]);
  const along = across === 'x' ? x : y;
  const go = (e: PointerEvent<HTMLElement>) => {
    const r = e.currentTarget.getBoundingClientRect();
    const to = ((e.clientX - r.left) / r.width) * shape[across];
    const plane = Math.min(shape.z - 1, Math.max(0, Math.floor(((e.clientY - r.top) / r.height) * shape.z)));
    store.getState().change({ z: plane, camera: { ...cameraOf(store.getState(), dataset), [across]: to } });
  };
  const text = `Slice ${across}-z at ${across === 'x' ? 'y' : 'x'} ${Math.round(across === 'x' ? y : x)}`;
  return (
    <figure className="slice" style={{ aspectRatio: String(Math.min(12, Math.max(0.4, aspectOf(dataset, across)))) }}>
      <figcaption>{across} – z</figcaption>
      <div className="slice-picture" onPointerDown={go}>
        <canvas ref={canvas} width={n} height={stack.planes.length} role="img" aria-label={text} />
        <span className="slice-z" style={{ top: `${(100 * (z + 0.5)) / shape.z}%` }} />
        <span className="slice-along" style={{ left: `${(100 * Math.min(shape[across], Math.max(0, along))) / shape[across]}%` }} />
      </div>
    </figure>
  );
}

export function SlicePanel({ dataset, store, tiles, limits }: Props) {
  const t = store((s) => s.view.t);
  const channels = store((s) => s.view.channels);
  const visible = useMemo(() => channels.flatMap((c, i) => (c.visible ? [i] : [])), [channels]);
  const key = visible.join(',');
  const stack = useMemo(() => stackOf(dataset, visible.length), [dataset, key]);
  const planes = useMemo<(Map<number, Tile> | undefined)[]>(() => Array.from({ length: stack?.planes.length ?? 0 }), [stack, t, key, tiles]);
  const [arrived, setArrived] = useState(0);
  const looks = useMemo(() => visible.map((channel): Look => ({ channel, view: channels[channel]!, limits: limits[channel]! })), [visible, channels, limits]);
  useEffect(() => {
    if (!stack || !visible.length) return undefined;
    const stop = new AbortController();
    setArrived(0);
    let frame = 0;
    void loadStack(tiles, stack, t, store.getState().view.z, visible, (i, parts) => {
      planes[i] = parts;
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        setArrived(planes.filter(Boolean).length);
      });
    }, stop.signal);
    return () => {
      stop.abort();
      cancelAnimationFrame(frame);
    };
  }, [stack, planes, tiles, store]);
  const close = () => store.getState().change({ slices: false });
  const common = stack && { dataset, store, stack, planes, arrived, looks };
  return (
    <section className="slices" aria-label="Slices">
      <header>
        <h2>Slices through the middle of the picture</h2>
        {stack && arrived < stack.planes.length && <span className="muted" role="status">{arrived} of {stack.planes.length} planes</span>}
        {stack && stack.stride > 1 && <span className="muted">one plane in {stack.stride}</span>}
        <button type="button" className="icon-button" aria-label="Close the slices" onClick={close}><Icon name="close" /></button>
      </header>
      {common ? <div className="slice-row"><Slice {...common} across="x" /><Slice {...common} across="y" /></div> : <p className="muted">The hub has no level of this image that is small enough. Add levels with imgop pyramid.</p>}
    </section>
  );
}
