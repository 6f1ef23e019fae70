import { useMemo } from 'react';
import type { Dataset, Histogram } from '../api/types';
import { shown } from '../api/paths';
import { useTierActions } from '../datasets/actions';
import { shapeText } from '../datasets/rows';
import { bytes, number } from '../ui/format';
import { Icon } from '../ui/icons';
import { ResidencyBar, StateMark } from '../ui/residency';
import { ChannelPanel } from './channel';
import type { Limits } from './contrast';
import type { ViewerStore } from './store';
import type { Tiles } from './tiles';

interface Props {
  dataset: Dataset; // as it is now: its residency changes
  tiles: Tiles;
  store: ViewerStore;
  limits: Limits[];
  histograms: (Histogram | undefined)[];
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
  const values = useMemo(
    () => channels.map((c, i) => (pointer && c.visible ? valueText(tiles.valueAt(t, z, i, pointer.x, pointer.y)) : '')),
    [channels, pointer, t, z, tiles],
  );
  return (
    <>
      {channels.map((c, i) => (
        <ChannelPanel key={i} index={i} channel={dataset.channels[i]} view={c} limits={limits[i]!} histogram={histograms[i]} type={dataset.type} value={values[i]!} onChange={(change) => store.getState().channel(i, change)} />
      ))}
    </>
  );
}

function Labels({ dataset, store, labelFill, onLabelFill }: Props) {
  const labels = store((s) => s.view.labels);
  if (!dataset.labels.length) return null;
  return (
    <section className="panel-part" aria-label="Labels">
      <h3>Labels</h3>
      <div className="panel-line">
        <select className="input" aria-label="Label image" value={labels} onChange={(e) => store.getState().change({ labels: e.target.value })}>
          <option value="">none</option>
          {dataset.labels.map((l) => <option key={l} value={l}>{shown(l)}</option>)}
        </select>
        <label className="panel-fill">Fill <input type="range" aria-label="How much labels are filled" min={0} max={0.8} step={0.05} value={labelFill} disabled={!labels} onChange={(e) => onLabelFill(Number(e.target.value))} /></label>
      </div>
    </section>
  );
}

export function Panel(props: Props) {
  const { dataset: d } = props;
  const { bring } = useTierActions();
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
        {(d.state === 'cold' || d.state === 'partial') && (
          <button type="button" className="button" onClick={() => void bring([d.path])}><Icon name="fetch" /> Bring all to SSD ({bytes((d.size ?? 0) - (d.resident ?? 0))})</button>
        )}
      </section>
      <Channels {...props} />
      <Labels {...props} />
    </aside>
  );
}
