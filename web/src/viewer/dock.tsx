import { useEffect, useMemo } from 'react';
import { nameOf, shown } from '../api/paths';
import type { Dataset } from '../api/types';
import { Icon } from '../ui/icons';
import { useTable } from '../tables/load';
import { Objects, rowsOfImage } from '../tables/objects';
import { TablePanel } from '../tables/panel';
import { cameraOf, type ViewerStore } from './store';
import { shapeOf } from './view';

interface Props {
  dataset: Dataset;
  store: ViewerStore;
  path: string; // of the table
  scale: number; // how many pixels of the image one of the labels is
  small: boolean;
  onSmall(small: boolean): void;
}

// The table of the objects below the picture: a row is an object, and an object is a row.
export function Dock({ dataset, store, path, scale, small, onSmall }: Props) {
  const loading = useTable(path);
  const object = store((s) => s.view.object);
  const t = store((s) => s.view.t);
  const rows = useMemo(() => (loading.table ? rowsOfImage(loading.table, dataset.path) : null), [loading.table, dataset.path]);
  const objects = useMemo(() => (loading.table ? new Objects(loading.table, rows) : null), [loading.table, rows]);
  const selected = objects && object ? objects.rowOf(object, t) : null;

  const goTo = (row: number) => {
    const place = objects?.placeOf(row);
    if (!objects || !place) return;
    const s = store.getState();
    const shape = shapeOf(dataset);
    const camera = cameraOf(s, dataset);
    s.change({
      object: objects.labelOf(row), camera: { x: place.x * scale, y: place.y * scale, zoom: Math.max(camera.zoom, 0) },
      ...(place.z === null ? {} : { z: Math.min(shape.z - 1, Math.max(0, Math.round(place.z))) }), ...(place.t === null ? {} : { t: Math.min(shape.t - 1, place.t) }),
    });
  };

  // A link names the object; where it is, the table knows.
  useEffect(() => {
    if (selected === null || store.getState().view.camera) return undefined;
    const timer = setTimeout(() => goTo(selected)); // when the address listens
    return () => clearTimeout(timer);
  }, [selected !== null]);

  return (
    <section className={small ? 'dock dock-small' : 'dock'} aria-label="Objects">
      <header>
        <h2>{shown(nameOf(path))}</h2>
        {object > 0 && <span>Object {object}{loading.done && selected === null ? ' has no row' : ''}</span>}
        <button type="button" className="icon-button" aria-expanded={!small} aria-label={small ? 'Show the table' : 'Hide the table'} title={small ? 'Show the table' : 'Hide the table'} onClick={() => onSmall(!small)}><Icon name={small ? 'up' : 'down'} /></button>
        <button type="button" className="icon-button" aria-label="Close the table" onClick={() => store.getState().change({ table: '', object: 0 })}><Icon name="close" /></button>
      </header>
      {!small && <TablePanel key={path} name={shown(nameOf(path))} loading={loading} rows={rows} selected={selected} onSelect={goTo} onOpen={goTo} />}
    </section>
  );
}
