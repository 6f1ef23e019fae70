import { useState } from 'react';
import { sentence } from '../api/client';
import { crumbs, joinPath, nameOf, parentOf, shown } from '../api/paths';
import { useDatasets, useFolder } from '../api/queries';
import { isReadable } from '../api/types';
import { shapeText } from '../datasets/rows';
import { Icon } from '../ui/icons';

const kShown = 200;

interface Props {
  path: string;
  onPath(path: string): void;
  onPick(path: string): void;
  onAdd?(path: string): void; // to what is chosen already
  onClose(): void;
}

// The images of one folder, and the folders in it: what a field for a dataset can mean.
export function Picker({ path, onPath, onPick, onAdd, onClose }: Props) {
  const images = useDatasets(path, false);
  const folder = useFolder(path, false);
  const [filter, setFilter] = useState('');
  const fits = (name: string) => shown(name).toLowerCase().includes(filter.trim().toLowerCase());
  const datasets = (images.data?.datasets ?? []).filter((d) => parentOf(d.path) === path && !d.not_decodable && fits(d.name || nameOf(d.path)));
  const taken = new Set(images.data?.datasets.map((d) => d.path));
  const below = new Set((images.data?.datasets ?? []).filter((d) => parentOf(d.path) !== path).map((d) => joinPath(path, d.path.slice(path === '/' ? 1 : path.length + 1).split('/')[0]!)));
  for (const e of folder.data?.entries ?? []) if (e.kind === 'directory' && !taken.has(e.path)) below.add(e.path);
  const folders = [...below].filter((p) => fits(nameOf(p))).sort();
  const error = images.error ?? (folder.error && !images.data ? folder.error : null);
  const enter = (to: string) => {
    setFilter('');
    onPath(to);
  };
  return (
    <div className="picker" role="group" aria-label="Choose a dataset" onKeyDown={(e) => { if (e.key === 'Escape') { e.stopPropagation(); onClose(); } }}>
      <div className="picker-head">
        <nav className="crumbs" aria-label="Folder of the choice">
          {crumbs(path).map((c, i) => <span key={c.path}>{i > 0 && <span className="crumb-slash" aria-hidden="true">/</span>}<button type="button" className="picker-crumb" onClick={() => enter(c.path)}>{c.name}</button></span>)}
        </nav>
        <button type="button" className="icon-button" aria-label="Close the choice of a dataset" onClick={onClose}><Icon name="close" /></button>
      </div>
      <div className="picker-line">
        <input type="search" className="input" placeholder="Filter" aria-label="Filter datasets" value={filter} autoFocus onChange={(e) => setFilter(e.target.value)} />
        <button type="button" className="button button-small" title="Each image in this folder" onClick={() => onPick(path)}>Use this folder</button>
      </div>
      {error ? <p className="bad" role="alert">{sentence(error)}</p> : null}
      <ul className="picker-list">
        {folders.slice(0, kShown).map((p) => (
          <li key={p}><button type="button" onClick={() => enter(p)}><Icon name="folder" /><span className="picker-name">{shown(nameOf(p))}</span></button></li>
        ))}
        {datasets.slice(0, kShown).map((d) => (
          <li key={d.path} className="picker-image">
            <button type="button" onClick={() => onPick(d.path)}>
              <Icon name="image" /><span className="picker-name">{shown(d.name || nameOf(d.path))}</span>
              <span className="muted picker-about">{isReadable(d) ? shapeText(d) : d.is_plate ? 'plate' : 'in the archive'}</span>
            </button>
            {onAdd && <button type="button" className="picker-add" aria-label={`Add ${shown(d.name || nameOf(d.path))}`} title="Add to what is chosen" onClick={() => onAdd(d.path)}>+</button>}
          </li>
        ))}
      </ul>
      {!folders.length && !datasets.length && !error && <p className="muted">{images.isPending ? 'Looking for images…' : 'There is no image here.'}</p>}
      {folders.length + datasets.length > 2 * kShown && <p className="muted">More names are here than are shown: filter them.</p>}
    </div>
  );
}
