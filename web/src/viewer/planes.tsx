import { useEffect } from 'react';
import type { Dataset } from '../api/types';
import { number, unitSign } from '../ui/format';
import { Icon } from '../ui/icons';
import { extentOf, projectionText } from './projection';
import { cameraOf, type ViewerStore } from './store';
import { kFirstVolume, shapeOf, type Projection, type Volume } from './view';

interface Props {
  dataset: Dataset;
  store: ViewerStore;
}

const kFrameMs = 125;
const kPatienceMs = 3000; // a plane that does not come stops the film no longer than this

// Steps on when the plane is drawn, so that a film shows every plane that can be had.
function usePlaying(store: ViewerStore): void {
  const playing = store((s) => s.playing);
  useEffect(() => {
    if (!playing) return undefined;
    let last = performance.now();
    const timer = setInterval(() => {
      const s = store.getState();
      if (!s.loaded && performance.now() - last < kPatienceMs) return;
      last = performance.now();
      s.step(playing, 1, true);
    }, kFrameMs);
    return () => clearInterval(timer);
  }, [playing, store]);
}

function Slider({ axis, dataset, store }: Props & { axis: 'z' | 't' }) {
  const value = store((s) => s.view[axis]);
  const playing = store((s) => s.playing === axis);
  const count = shapeOf(dataset)[axis];
  const name = axis === 'z' ? 'Plane' : 'Time point';
  const depth = axis === 'z' && dataset.voxel_size?.z ? ` · ${number(Number((value * dataset.voxel_size.z).toFixed(2)))} ${unitSign(dataset.voxel_unit)}` : '';
  if (count < 2) return null;
  return (
    <div className="plane-slider">
      <button type="button" className="icon-button" aria-pressed={playing} aria-label={`${playing ? 'Stop' : 'Play'} ${axis}`} title={`${playing ? 'Stop' : 'Play'} (${axis === 'z' ? 'P' : 'T'})`} onClick={() => store.getState().set({ playing: playing ? '' : axis })}>
        <Icon name={playing ? 'pause' : 'play'} />
      </button>
      <span className="plane-axis" aria-hidden="true">{axis}</span>
      <input type="range" aria-label={name} min={0} max={count - 1} value={value} onChange={(e) => store.getState().change({ [axis]: Number(e.target.value) })} />
      <span className="plane-text">{value + 1} / {count}{depth}</span>
    </div>
  );
}

function VolumeControl({ store }: Pick<Props, 'store'>) {
  const volume = store((s) => s.view.volume)!;
  const { look, change } = store.getState();
  const { turn, pitch } = kFirstVolume;
  return (
    <div className="projection">
      <select className="input" aria-label="What a ray shows" value={volume.mode} onChange={(e) => look({ mode: e.target.value as Volume['mode'] })}>
        <option value="max">Maximum</option>
        <option value="add">Additive</option>
        <option value="min">Minimum</option>
      </select>
      <button type="button" className="button button-small" title="The first angle, all of the volume" onClick={() => look({ turn, pitch, zoom: 0, pan: [0, 0, 0] })}>Reset the angle</button>
      <button type="button" className="button button-small" aria-pressed={true} title="Back to planes (V)" onClick={() => change({ volume: null })}>3-D</button>
    </div>
  );
}

function ProjectionControl({ dataset, store }: Props) {
  const projection = store((s) => s.view.projection);
  const slices = store((s) => s.view.slices);
  const plain = store((s) => s.plain);
  const depth = shapeOf(dataset).z;
  const change = (next: Projection | null) => store.getState().change({ projection: next });
  const end = (key: 'first' | 'last', name: string) => projection && (
    <input type="number" className="input" aria-label={name} min={1} max={depth} value={projection[key] + 1}
      onChange={(e) => {
        const n = Math.min(depth - 1, Math.max(0, Math.round(Number(e.target.value)) - 1));
        if (!Number.isFinite(n)) return;
        const next = { ...projection, [key]: n };
        // The other end yields.
        if (next.first > next.last) next[key === 'first' ? 'last' : 'first'] = n;
        change(next);
      }} />
  );
  return (
    <div className="projection">
      {!plain && <select className="input" aria-label="Projection" title="Projection (X)" value={projection?.how ?? ''}
        onChange={(e) => change(e.target.value ? { first: projection?.first ?? 0, last: projection?.last ?? depth - 1, how: e.target.value as Projection['how'] } : null)}>
        <option value="">One plane</option>
        <option value="max">Maximum</option>
        <option value="mean">Mean</option>
      </select>}
      {projection && <span className="projection-range">of planes {end('first', 'First plane of the projection')} to {end('last', 'Last plane of the projection')}</span>}
      {projection && <ProjectionNote dataset={dataset} store={store} projection={projection} />}
      <button type="button" className="button button-small" aria-pressed={slices} title="Slices x-z and y-z (O)" onClick={() => store.getState().change({ slices: !slices })}>Slices</button>
      {plain && <span className="muted">Single planes only: there is no WebGL</span>}
      {!plain && <button type="button" className="button button-small" aria-pressed={false} title="The volume in 3-D (V)" onClick={() => store.getState().change({ volume: kFirstVolume })}>3-D</button>}
    </div>
  );
}

function ProjectionNote({ dataset, store, projection }: Props & { projection: Projection }) {
  const text = store((s) => projectionText(projection, extentOf(dataset, projection, s.view.channels.filter((c) => c.visible).length, cameraOf(s, dataset), s.width, s.height)));
  return <span className="muted" role="status">{text}</span>;
}

export function Planes({ dataset, store }: Props) {
  usePlaying(store);
  const volume = store((s) => s.view.volume !== null);
  const shape = shapeOf(dataset);
  if (shape.z < 2 && shape.t < 2) return null;
  return (
    <div className="planes">
      <div className="plane-sliders">
        {!volume && <Slider axis="z" dataset={dataset} store={store} />}
        <Slider axis="t" dataset={dataset} store={store} />
      </div>
      {volume ? <VolumeControl store={store} /> : shape.z > 1 && <ProjectionControl dataset={dataset} store={store} />}
    </div>
  );
}
