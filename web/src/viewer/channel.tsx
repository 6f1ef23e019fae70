import type { Channel, Histogram } from '../api/types';
import { number } from '../ui/format';
import { Icon } from '../ui/icons';
import { autoLimits, histogramPath, moveLimit, sliderRange, stepOf, type Limits } from './contrast';
import type { ChannelView } from './view';

interface Props {
  index: number;
  channel: Channel | undefined;
  view: ChannelView;
  limits: Limits;
  histogram: Histogram | undefined;
  type: string;
  value: string; // under the pointer
  onChange(change: Partial<ChannelView>): void;
}

const kWidth = 240;
const kHeight = 44;

function Curve({ histogram, limits, range, colour }: { histogram: Histogram | undefined; limits: Limits; range: Limits; colour: string }) {
  const x = (v: number) => (kWidth * (v - range[0])) / Math.max(1e-12, range[1] - range[0]);
  const from = histogram ? x(histogram.low) : 0;
  const width = histogram ? Math.max(1, x(histogram.high) - from) : 0;
  return (
    <svg className="curve" viewBox={`0 0 ${kWidth} ${kHeight}`} preserveAspectRatio="none" aria-hidden="true">
      {histogram && <path className="curve-bars" transform={`translate(${from.toFixed(1)} 0)`} d={histogramPath(histogram.bins, width, kHeight)} />}
      <path className="curve-line" stroke={`#${colour}`} d={`M0 ${kHeight - 1}H${x(limits[0]).toFixed(1)}L${x(limits[1]).toFixed(1)} 1H${kWidth}`} />
    </svg>
  );
}

export function ChannelPanel({ index, channel, view, limits, histogram, type, value, onChange }: Props) {
  const name = channel?.name || `Channel ${index + 1}`;
  const range = sliderRange(histogram, type, limits);
  const step = stepOf(type, range);
  const slide = (end: 0 | 1) => (text: string) => {
    const [low, high] = moveLimit(limits, end, Number(text), step);
    onChange({ low, high });
  };
  const slider = (end: 0 | 1, what: string) => (
    <input type="range" aria-label={`${name}: ${what}`} aria-valuetext={number(limits[end])} min={range[0]} max={range[1]} step={step} value={limits[end]} onChange={(e) => slide(end)(e.target.value)} />
  );
  return (
    <section className={`channel${view.visible ? '' : ' channel-hidden'}`} aria-label={name}>
      <header>
        <button type="button" className="icon-button" aria-pressed={view.visible} aria-label={`Show ${name}`} title={`Show or hide (${index + 1})`} onClick={() => onChange({ visible: !view.visible })}>
          <Icon name={view.visible ? 'eye' : 'hidden'} />
        </button>
        <input type="color" aria-label={`Colour of ${name}`} value={`#${view.colour}`} onChange={(e) => onChange({ colour: e.target.value.slice(1).toLowerCase() })} />
        <span className="channel-name" title={name}>{name}</span>
        <output className="channel-value" aria-label={`${name} under the pointer`}>{value}</output>
      </header>
      {view.visible && (
        <>
          <Curve histogram={histogram} limits={limits} range={range} colour={view.colour} />
          <div className="channel-sliders">{slider(0, 'black at')}{slider(1, 'white at')}</div>
          <div className="channel-foot">
            <span className="channel-limits">{number(limits[0])} – {number(limits[1])}</span>
            <label className="gamma">γ <input type="number" className="input" aria-label={`${name}: gamma`} min={0.1} max={10} step={0.1} value={view.gamma} onChange={(e) => { const g = Number(e.target.value); if (g >= 0.1 && g <= 10) onChange({ gamma: g }); }} /></label>
            <button type="button" className="button button-small" title="Limits from the histogram of this plane" disabled={!histogram} onClick={() => { const [low, high] = autoLimits(histogram, type); onChange({ low, high, gamma: 1 }); }}>Auto</button>
          </div>
        </>
      )}
    </section>
  );
}
