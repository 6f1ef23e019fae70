import { useEffect } from 'react';
import { useDataset } from '../api/queries';
import type { Dataset } from '../api/types';
import { plateLink, replaceHash } from '../app/route';
import type { ViewerStore } from '../viewer/store';
import { formatView } from '../viewer/view';
import { isPlate, otherField, otherWell, placeOf, wellName } from './plate';
import './well-bar.css';

interface Props {
  dataset: Dataset; // a field
  folder: string; // its plate
  store: ViewerStore;
}

// Where a field is in its plate, and the way to the others. Channels, contrast and place stay as they are.
export function WellBar({ dataset, folder, store }: Props) {
  const { data } = useDataset(folder);
  const plate = isPlate(data?.plate) ? data.plate : null;
  const at = plate && placeOf(plate, folder, dataset.path);
  const to = (path: string | null) => path && replaceHash(formatView(path, store.getState().view, dataset));
  const targets: Record<string, string | null> = plate && at
    ? { '[': otherWell(plate, folder, at, -1), ']': otherWell(plate, folder, at, 1), '{': otherField(folder, at, -1), '}': otherField(folder, at, 1) }
    : {};
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || (e.target instanceof HTMLElement && e.target.matches('input, select, textarea')) || document.querySelector('dialog[open]')) return;
      if (!targets[e.key]) return;
      e.preventDefault();
      to(targets[e.key]!);
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  });
  if (!plate || !at) return null;
  const button = (key: string, name: string, text: string) => <button type="button" className="button button-small" aria-label={name} title={`${name} (${key})`} disabled={!targets[key]} onClick={() => to(targets[key]!)}>{text}</button>;
  return (
    <nav className="well-bar" aria-label="Plate">
      {button('[', 'Well before', '←')}
      <a href={plateLink(folder, at.well.path)} title="Show the plate">Well {wellName(plate, at.well)}</a>
      {button(']', 'Next well', '→')}
      {at.well.fields.length > 1 && (
        <>
          {button('{', 'Field before', '←')}
          <span role="status">Field {at.field + 1} of {at.well.fields.length}</span>
          {button('}', 'Next field', '→')}
        </>
      )}
    </nav>
  );
}
