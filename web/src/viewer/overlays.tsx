import { useEffect, useState } from 'react';
import type { Dataset } from '../api/types';
import { barFor, positionText } from './scale';
import { cameraOf, type ViewerStore } from './store';

interface Props {
  dataset: Dataset;
  store: ViewerStore;
}

export function ScaleBar({ dataset, store }: Props) {
  const zoom = store((s) => cameraOf(s, dataset).zoom);
  const bar = barFor(dataset, zoom);
  return (
    <div className="scale-bar" aria-label={`Scale bar: ${bar.text}`}>
      <span>{bar.text}</span>
      <span className="scale-line" style={{ width: bar.pixels }} />
    </div>
  );
}

export function Position({ dataset, store }: Props) {
  const pointer = store((s) => s.pointer);
  const text = pointer ? positionText(dataset, pointer.x, pointer.y) : '';
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
