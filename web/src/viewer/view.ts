// What the viewer shows, and how an address says it:
// #/view?path=/a&t=0&z=3&at=1024,1024,-1.3&ch=1:4f8bff:110:2300:1,0:ff9d2e&labels=nuclei
import { formatHash } from '../app/route';
import type { Dataset, Shape } from '../api/types';

// Viv draws at most ten channels at once.
export const kMostChannels = 10;

export interface ChannelView {
  visible: boolean;
  colour: string; // "4f8bff"
  low: number | null; // null: automatic, out of the histogram
  high: number | null;
  gamma: number;
}

export interface Camera {
  x: number; // the pixel of level 0 in the middle
  y: number;
  zoom: number; // log2 of screen pixels for each pixel of level 0
}

// In pixels of level 0.
export interface Line {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
}

// Several planes as one: from the first to the last, both included.
export interface Projection {
  how: 'max' | 'mean';
  first: number;
  last: number;
}

// The volume as a whole, seen from an angle.
export interface Volume {
  mode: 'max' | 'add' | 'min'; // what of a ray is seen
  turn: number; // degrees around the vertical axis
  pitch: number;
  zoom: number; // log2; 0: the whole volume fits
  pan: [x: number, y: number, z: number]; // from its middle, in parts of its diagonal
}

export const kFirstVolume: Volume = { mode: 'max', turn: -30, pitch: 20, zoom: 0, pan: [0, 0, 0] };

export interface View {
  t: number;
  z: number;
  camera: Camera | null; // null: the whole image
  channels: ChannelView[];
  labels: string; // a name in the image, or the path of another one; "": none
  run: string; // which made these labels, and maybe those of other time points; "": not known
  table: string; // the path of the table of these labels
  object: number; // the chosen one; 0: none
  line: Line | null;
  projection: Projection | null;
  slices: boolean; // x-z and y-z are shown, too
  volume: Volume | null; // null: planes are shown
}

const kPalette = ['4f8bff', '35d07f', 'ff5fb0', 'ffb02e', '2ed3e6', 'c084fc', 'f97066', 'd4e157'];

export function shapeOf(d: Pick<Dataset, 'shape'>): Shape {
  const { t = 1, c = 1, z = 1, y = 1, x = 1 } = d.shape;
  return { t: t || 1, c: c || 1, z: z || 1, y, x };
}

export function defaultColour(d: Pick<Dataset, 'channels' | 'type' | 'shape'>, c: number): string {
  const given = /^#?([0-9a-f]{6})$/i.exec(d.channels[c]?.colour ?? '')?.[1];
  if (given) return given.toLowerCase();
  const count = shapeOf(d).c;
  if (count === 1) return 'ffffff';
  // Three channels of bytes are a photograph more often than not.
  if (count === 3 && d.type === 'uint8') return ['ff0000', '00ff00', '0000ff'][c]!;
  return kPalette[c % kPalette.length]!;
}

// Red, green and blue bytes: stretched one by one they would have other colours than the scene had.
export function isPhotograph(d: Pick<Dataset, 'channels' | 'type' | 'shape'>): boolean {
  return d.type === 'uint8' && shapeOf(d).c === 3 && ['ff0000', '00ff00', '0000ff'].every((colour, c) => defaultColour(d, c) === colour);
}

// How many channels an image opens with.
export const firstVisible = (channels: number) => (channels <= 4 ? channels : 3);

export function defaultView(d: Dataset): View {
  const shape = shapeOf(d);
  const few = firstVisible(shape.c);
  const channels = Array.from({ length: shape.c }, (_, c): ChannelView => ({ visible: c < few, colour: defaultColour(d, c), low: null, high: null, gamma: 1 }));
  return { t: 0, z: shape.z >> 1, camera: null, channels, labels: '', run: '', table: '', object: 0, line: null, projection: null, slices: false, volume: null };
}

const clampInt = (text: string | null, top: number, otherwise: number) => {
  const n = text === null || text === '' ? NaN : Number(text);
  return Number.isFinite(n) ? Math.min(top - 1, Math.max(0, Math.round(n))) : otherwise;
};

function parseChannel(text: string, otherwise: ChannelView): ChannelView {
  const [visible, colour, low, high, gamma] = text.split(':');
  const number = (s: string | undefined) => (s !== undefined && s !== '' && Number.isFinite(Number(s)) ? Number(s) : null);
  const [a, b] = [number(low), number(high)];
  const g = number(gamma);
  const limits = a !== null && b !== null && a < b ? { low: a, high: b } : { low: null, high: null };
  return {
    visible: visible === '1' || (visible !== '0' && otherwise.visible),
    colour: /^[0-9a-f]{6}$/.test(colour ?? '') ? colour! : otherwise.colour,
    ...limits,
    gamma: g !== null && g >= 0.1 && g <= 10 ? g : 1,
  };
}

function parseLine(text: string | null): Line | null {
  const [x1, y1, x2, y2, more] = (text ?? '').split(',').map((n) => (n.trim() ? Number(n) : NaN));
  return more === undefined && [x1, y1, x2, y2].every(Number.isFinite) ? { x1: x1!, y1: y1!, x2: x2!, y2: y2! } : null;
}

function parseProjection(text: string | null, depth: number): Projection | null {
  const [how, first, last] = (text ?? '').split(',');
  if ((how !== 'max' && how !== 'mean') || depth < 2) return null;
  const [a, b] = [clampInt(first ?? null, depth, 0), clampInt(last ?? null, depth, depth - 1)];
  return { how, first: Math.min(a, b), last: Math.max(a, b) };
}

const kMostPitch = 90;
const kMostVolumeZoom = 6;
const within = (n: number, least: number, most: number) => Math.min(most, Math.max(least, n));

// Angles are kept in the range in which they are written.
export function limitVolume(v: Volume): Volume {
  const turn = ((((v.turn + 180) % 360) + 360) % 360) - 180;
  return { ...v, turn, pitch: within(v.pitch, -kMostPitch, kMostPitch), zoom: within(v.zoom, -kMostVolumeZoom, kMostVolumeZoom) };
}

function parseVolume(text: string | null, depth: number): Volume | null {
  const [mode, ...rest] = (text ?? '').split(',');
  if ((mode !== 'max' && mode !== 'add' && mode !== 'min') || depth < 2) return null;
  const numbers = rest.map((n) => (n.trim() ? Number(n) : NaN));
  const number = (i: number, otherwise: number) => (Number.isFinite(numbers[i]) ? numbers[i]! : otherwise);
  const { turn, pitch, zoom } = kFirstVolume;
  return limitVolume({ mode, turn: number(0, turn), pitch: number(1, pitch), zoom: number(2, zoom), pan: [number(3, 0), number(4, 0), number(5, 0)] });
}

function volumeFields({ mode, turn, pitch, zoom, pan }: Volume): string {
  const moved = pan.some((n) => Math.abs(n) > 1e-4);
  return [mode, short(turn, 1), short(pitch, 1), short(zoom, 2), ...(moved ? pan.map((n) => short(n, 4)) : [])].join(',');
}

// Anything that makes no sense for this image is replaced by what one would see without it.
export function parseView(q: URLSearchParams, d: Dataset): View {
  const shape = shapeOf(d);
  const base = defaultView(d);
  const at = (q.get('at') ?? '').split(',').map(Number);
  const texts = (q.get('ch') ?? '').split(',');
  const channels = base.channels.map((c, i) => (texts[i] ? parseChannel(texts[i], c) : c));
  let shown = 0;
  for (const c of channels) if (c.visible && ++shown > kMostChannels) c.visible = false;
  const [x, y, zoom] = at;
  const isCamera = at.length === 3 && at.every(Number.isFinite) && zoom! >= -20 && zoom! <= 8;
  const labels = q.get('labels') ?? '';
  return {
    t: clampInt(q.get('t'), shape.t, base.t),
    z: clampInt(q.get('z'), shape.z, base.z),
    camera: isCamera ? { x: x!, y: y!, zoom: zoom! } : null,
    channels,
    labels: labels.startsWith('/') || d.labels.includes(labels) ? labels : '',
    run: q.get('run') ?? '',
    table: (q.get('table') ?? '').startsWith('/') ? q.get('table')! : '',
    object: clampInt(q.get('object'), 2 ** 32, 0),
    line: parseLine(q.get('line')),
    projection: parseProjection(q.get('proj'), shape.z),
    slices: q.get('slices') === '1' && shape.z > 1,
    volume: parseVolume(q.get('vol'), shape.z),
  };
}

// As people count: from 1. Addresses count from 0, as the files do.
export const placeName = (d: Pick<Dataset, 'shape'>, t: number, z: number) => (shapeOf(d).z > 1 ? `plane ${z + 1}` : `time point ${t + 1}`);

const short = (n: number, digits: number) => String(Number(n.toFixed(digits)));

export function formatView(path: string, view: View, d: Dataset): string {
  const shape = shapeOf(d);
  const base = defaultView(d);
  const channels = view.channels.map((c) => {
    const fields = [c.visible ? '1' : '0', c.colour];
    if (c.low !== null && c.high !== null) fields.push(String(c.low), String(c.high));
    else if (c.gamma !== 1) fields.push('', '');
    if (c.gamma !== 1) fields.push(short(c.gamma, 2));
    return fields.join(':');
  });
  const same = view.channels.every((c, i) => JSON.stringify(c) === JSON.stringify(base.channels[i]));
  return formatHash('view', {
    path,
    t: shape.t > 1 ? view.t : undefined,
    z: shape.z > 1 ? view.z : undefined,
    at: view.camera ? [short(view.camera.x, 1), short(view.camera.y, 1), short(view.camera.zoom, 3)].join(',') : undefined,
    ch: same ? undefined : channels.join(','),
    labels: view.labels || undefined,
    run: (view.labels && view.run) || undefined,
    table: view.table || undefined,
    object: view.object || undefined,
    line: view.line ? [view.line.x1, view.line.y1, view.line.x2, view.line.y2].map((n) => short(n, 1)).join(',') : undefined,
    proj: view.projection ? [view.projection.how, view.projection.first, view.projection.last].join(',') : undefined,
    slices: view.slices ? 1 : undefined,
    vol: view.volume ? volumeFields(view.volume) : undefined,
  });
}

export function fitCamera(shape: Shape, width: number, height: number): Camera {
  const zoom = Math.log2(Math.min(Math.max(1, width) / shape.x, Math.max(1, height) / shape.y)) - 0.02;
  return { x: shape.x / 2, y: shape.y / 2, zoom };
}
