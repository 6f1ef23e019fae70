import { useEffect, useState } from 'react';
import type { Dataset } from '../api/types';
import type { Labels } from './page';
import { placeIn } from './parts';
import { barFor, positionText, type Bar } from './scale';
import { cameraOf, type ViewerStore } from './store';

interface Props {
  dataset: Dataset;
  store: ViewerStore;
}

export function ScaleBar({ dataset, store }: Props) {
  const zoom = store((s) => cameraOf(s, dataset).zoom);
  return <BarOf bar={barFor(dataset, zoom)} />;
}

export function BarOf({ bar, where = '' }: { bar: Bar; where?: string }) {
  return (
    <div className="scale-bar" aria-label={`Scale bar${where}: ${bar.text}`}>
      <span>{bar.text}</span>
      <span className="scale-line" style={{ width: bar.pixels }} />
    </div>
  );
}

export interface Found {
  object: number;
  path: string; // of its labels
}

// The object at a pixel of level 0, as far as its labels are here; null: none.
export function labelAt(all: Labels[], t: number, z: number, x: number, y: number): Found | null {
  for (const { path, levels, tiles, box } of all) {
    const [depth, , planes] = levels[0]!.shape;
    const at = placeIn(box, x, y, z);
    const object = at ? (tiles.valueAt(Math.min(t, depth! - 1), Math.min(at.z, planes! - 1), 0, at.x, at.y)?.value ?? 0) : 0;
    if (object) return { object, path };
  }
  return null;
}

export function Position({ dataset, store, labels }: Props & { labels: Labels[] }) {
  const pointer = store((s) => s.pointer);
  const { t, z } = store((s) => s.view);
  const object = pointer ? labelAt(labels, t, z, pointer.x, pointer.y)?.object : 0;
  const place = pointer ? positionText(dataset, pointer.x, pointer.y) : '';
  const text = place && object ? `${place}  object ${object}` : place;
  return <output className="position" aria-label="Position under the pointer">{text}</output>;
}

export function coldText(ms: number): string {
  const s = Math.ceil(ms / 1000);
  if (s < 1) return 'Coming from the archive';
  return s < 90 ? `Coming from the archive, about ${s} s` : `Coming from the archive, about ${Math.round(s / 60)} min`;
}

// Says what is missing, in words: a picture that is merely coarse looks like a bad microscope.
export function ColdMark({ store }: Pick<Props, 'store'>) {
  const cold = store((s) => s.cold);
  const standIn = store((s) => s.standIn);
  const error = store((s) => s.error);
  const [, tick] = useState(0);
  useEffect(() => {
    if (!cold.tiles) return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [cold.tiles > 0]);
  if (error) return <div className="mark mark-bad" role="alert">{error}</div>;
  if (!cold.tiles) return null;
  return (
    <div className="mark" role="status">
      <span className="spinner" aria-hidden="true" />
      {coldText(cold.readyAt - Date.now())}{cold.reason && `: ${cold.reason}`}{standIn && `; ${standIn} is shown until then`}
    </div>
  );
}
