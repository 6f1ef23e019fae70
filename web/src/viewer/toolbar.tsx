import { useState, type FormEvent } from 'react';
import type { Dataset } from '../api/types';
import { crumbs, nameOf, parentOf, shown } from '../api/paths';
import { folderLink, plateLink } from '../app/route';
import { useUi } from '../app/store';
import { Icon } from '../ui/icons';
import { cameraOf, type ViewerStore } from './store';
import { shapeOf } from './view';

interface Props {
  dataset: Dataset;
  store: ViewerStore;
  panel: boolean;
  onPanel(): void;
  onSnapshot(): void;
  onLink(): void;
}

// "x, y", in pixels from 0, or "x, y, plane", which counts from 1 as the slider does; null if it is not a place in the image.
export function parsePosition(text: string, d: Dataset): { x: number; y: number; z?: number } | null {
  const parts = text.split(/[\s,;]+/).filter(Boolean).map(Number);
  const shape = shapeOf(d);
  const [x, y, plane] = parts;
  if (parts.length < 2 || parts.length > 3 || !parts.every(Number.isFinite)) return null;
  if (x! < 0 || x! >= shape.x || y! < 0 || y! >= shape.y) return null;
  if (plane === undefined) return { x: x!, y: y! };
  return plane >= 1 && plane <= shape.z ? { x: x!, y: y!, z: Math.round(plane) - 1 } : null;
}

function GoTo({ dataset, store }: Pick<Props, 'dataset' | 'store'>) {
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState(false);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    const to = parsePosition(text, dataset);
    setWrong(!to);
    if (!to) return;
    const s = store.getState();
    s.change({ camera: { ...cameraOf(s, dataset), x: to.x, y: to.y }, ...(to.z === undefined ? {} : { z: to.z }) });
  };
  const shape = shapeOf(dataset);
  return (
    <form className="go-to" onSubmit={submit}>
      <input id="go-to" className="input" placeholder={shape.z > 1 ? 'x, y, plane' : 'x, y'} aria-label="Go to a position: x and y in pixels, plane" aria-invalid={wrong} title={wrong ? `Not a place in this image: x below ${shape.x}, y below ${shape.y}, plane 1 to ${shape.z}` : 'Position in pixels (G)'} value={text} onChange={(e) => { setText(e.target.value); setWrong(false); }} />
    </form>
  );
}

export function Toolbar({ dataset, store, panel, onPanel, onSnapshot, onLink }: Props) {
  const volume = store((s) => s.view.volume);
  const zoom = store((s) => s.view.volume?.zoom ?? cameraOf(s, dataset).zoom);
  const measuring = store((s) => s.measuring);
  const { zoomBy, fit } = store.getState();
  const folder = parentOf(dataset.path);
  const plate = typeof dataset.plate === 'string' ? dataset.plate : '';
  const scale = 100 * 2 ** zoom;
  return (
    <div className="toolbar" role="toolbar" aria-label="View">
      {plate ? <a className="icon-button" href={plateLink(plate, dataset.well ?? '')} aria-label="Back to the plate" title="Back to the plate"><Icon name="up" /></a>
        : <a className="icon-button" href={folderLink(folder)} aria-label="Back to the folder" title={`Back to ${crumbs(folder).at(-1)?.name ?? 'the folder'}`}><Icon name="up" /></a>}
      <h1 className="toolbar-title">{shown(plate ? `${nameOf(plate)} ${dataset.path.slice(plate.length + 1)}` : dataset.name)}</h1>
      {!volume && <GoTo dataset={dataset} store={store} />}
      <button type="button" className="icon-button" aria-label="Zoom out" title="Zoom out (−)" onClick={() => zoomBy(-1)}>−</button>
      <output className="toolbar-zoom" aria-label="Zoom">{scale >= 10 ? Math.round(scale) : scale.toPrecision(2)} %</output>
      <button type="button" className="icon-button" aria-label="Zoom in" title="Zoom in (+)" onClick={() => zoomBy(1)}>+</button>
      <button type="button" className="icon-button" aria-label="Fit the image" title="Fit the image (F)" onClick={fit}><Icon name="fit" /></button>
      {!volume && <button type="button" className="icon-button" aria-pressed={measuring} aria-label="Measure a line" title="Measure a line and its profile (M)" onClick={() => store.getState().set({ measuring: !measuring, draft: null })}><Icon name="ruler" /></button>}
      <button type="button" className="icon-button" aria-label="Save a snapshot" title="Snapshot as PNG (S)" onClick={onSnapshot}><Icon name="camera" /></button>
      <button type="button" className="icon-button" aria-label="Copy a link to this view" title="Copy a link to this view" onClick={onLink}><Icon name="link" /></button>
      <button type="button" className="icon-button" aria-haspopup="dialog" aria-label="Share this image" title="Share this image with others" onClick={() => useUi.getState().share(dataset.path)}><Icon name="share" /></button>
      <button type="button" className="icon-button" aria-pressed={panel} aria-label="Channels" title="Channels" onClick={onPanel}><Icon name="panel" /></button>
    </div>
  );
}
