import { useMemo } from 'react';
import { sentence } from '../api/client';
import type { Dataset, Histogram } from '../api/types';
import { nameOf, shown } from '../api/paths';
import { useHasTiers } from '../api/queries';
import { newRunLink } from '../app/route';
import { useTierActions } from '../datasets/actions';
import { shapeText } from '../datasets/rows';
import { bytes, number, plural } from '../ui/format';
import { Icon } from '../ui/icons';
import { ResidencyBar, StateMark } from '../ui/residency';
import { ChannelPanel } from './channel';
import type { Limits } from './contrast';
import { valueAt } from './line';
import type { Labels as Shown } from './page';
import type { ViewerStore } from './store';
import type { Tiles } from './tiles';
import { shapeOf } from './view';

interface Props {
  dataset: Dataset; // as it is now: its residency changes
  tiles: Tiles;
  store: ViewerStore;
  limits: Limits[];
  histograms: (Histogram | undefined)[];
  labels: Shown[];
  labelsNote: string; // why none are shown
  foreign: string; // labels that are not of the image, "": none
  labelFill: number;
  onLabelFill(fill: number): void;
}

export function valueText(found: { value: number; level: number } | null): string {
  if (!found) return '';
  // A value of a coarser level is a mean of several pixels.
  return (found.level ? '≈ ' : '') + number(found.value);
}

function Channels({ dataset, tiles, store, limits, histograms }: Props) {
  const channels = store((s) => s.view.channels);
  const pointer = store((s) => s.pointer);
  const t = store((s) => s.view.t);
  const z = store((s) => s.view.z);
  const projection = store((s) => s.view.projection);
  const values = useMemo(
    () => channels.map((c, i) => (pointer && c.visible ? valueText(valueAt(tiles, t, z, projection, i, pointer.x, pointer.y)) : '')),
    [channels, pointer, t, z, projection, tiles],
  );
  return (
    <>
      {channels.map((c, i) => (
        <ChannelPanel key={i} index={i} channel={dataset.channels[i]} view={c} limits={limits[i]!} histogram={histograms[i]} type={dataset.type} value={values[i]!} onChange={(change) => store.getState().channel(i, change)} />
      ))}
    </>
  );
}

// Where labels have another size, their outlines are not those of what is below them.
function sizeNote(dataset: Dataset, [labels]: Shown[]): string {
  if (!labels || labels.box) return '';
  const [a, b] = [shapeOf(dataset), shapeOf(labels.tiles.dataset)];
  return a.x === b.x && a.y === b.y ? '' : `The labels are ${b.x} × ${b.y} pixels, the image ${a.x} × ${a.y}: they were made from another level or a part of it.`;
}

function Labels({ dataset, store, labels: shownLabels, labelsNote, foreign, labelFill, onLabelFill }: Props) {
  const labels = store((s) => s.view.labels);
  const object = store((s) => s.view.object);
  const volume = store((s) => s.view.volume !== null);
  if (store.getState().plain || (!dataset.labels.length && !foreign)) return null;
  const note = labelsNote || sizeNote(dataset, shownLabels);
  return (
    <section className="panel-part" aria-label="Labels">
      <h3>Labels</h3>
      <div className="panel-line">
        <select className="input" aria-label="Label image" value={labels} onChange={(e) => store.getState().change({ labels: e.target.value })}>
          <option value="">none</option>
          {foreign && <option value={foreign}>{shown(nameOf(foreign))}</option>}
          {dataset.labels.map((l) => <option key={l} value={l}>{shown(l)}</option>)}
        </select>
        <label className="panel-fill">Fill <input type="range" aria-label="How much labels are filled" min={0} max={0.8} step={0.05} value={labelFill} disabled={!labels} onChange={(e) => onLabelFill(Number(e.target.value))} /></label>
      </div>
      {foreign && labels === foreign && <p className="muted panel-path">{shown(shownLabels[0]?.path ?? foreign)}{shownLabels.length > 1 && ` and ${plural(shownLabels.length - 1, 'other block')} of this time point`}</p>}
      {note && <p className="warning"><Icon name="warning" /> {note}</p>}
      {labels && <p className="muted" role="status">{object ? `Object ${object} is chosen.` : volume ? 'A row of the table chooses an object, and so does a click on a plane.' : 'Click an object to choose it.'}</p>}
    </section>
  );
}

// Until they are there, smaller levels are made of every second, fourth, … row and column.
export function pyramidText({ pyramid }: Pick<Dataset, 'pyramid'>): string {
  switch (pyramid?.state) {
    case 'waiting':
      return 'Smaller levels will be built when others are done.';
    case 'building':
      return `Smaller levels are being built: ${Math.floor(100 * pyramid.done)} %.`;
    case 'failed':
      return `Smaller levels could not be built: ${sentence(new Error(pyramid.reason || 'the reason is not known'))}`;
    default:
      return '';
  }
}

export function Panel(props: Props) {
  const { dataset: d } = props;
  const { bring } = useTierActions();
  const tiers = useHasTiers();
  const plain = props.store((s) => s.plain);
  const channel = props.store((s) => s.view.channels.findIndex((c) => c.visible));
  return (
    <aside className="panel" aria-label="Channels and data">
      <section className="panel-part">
        <h2 title={shown(d.path)}>{shown(d.name)}</h2>
        <p className="muted">{shapeText(d)} · {d.type}</p>
        {d.size !== null && (
          <div className="panel-line">
            <ResidencyBar state={d.state} size={d.size} resident={d.resident} />
            <StateMark state={d.state} />
          </div>
        )}
        {pyramidText(d) && <p className="muted" role="status">{pyramidText(d)}</p>}
        {(d.state === 'cold' || d.state === 'partial') && (
          <button type="button" className="button" onClick={() => void bring([d.path])}><Icon name="fetch" /> Bring all to SSD ({bytes((d.size ?? 0) - (d.resident ?? 0))})</button>
        )}
        {tiers && <a className="button" href={newRunLink({ dataset: d.path, channel: Math.max(0, channel) })}><Icon name="play" /> Analyse…</a>}
      </section>
      {plain && <section className="panel-part"><p className="muted" role="note">This browser has no WebGL 2, so the hub renders the picture; projections, 3-D and outlines of labels need it: allow hardware acceleration in the browser's settings, or use a current Firefox or Chromium.</p></section>}
      <Channels {...props} />
      <Labels {...props} />
    </aside>
  );
}
