import { expect, it } from 'vitest';
import { parseHash } from '../app/route';
import type { Dataset } from '../api/types';
import { autoLimits, barHeights, histogramPath, moveLimit, sliderRange, stepOf, typeRange } from './contrast';
import { coldText } from './overlays';
import { pyramidText } from './panel';
import { positionText, scaleBar } from './scale';
import { snapshotName } from './snapshot';
import { createViewer, pixelAt } from './store';
import { parsePosition } from './toolbar';
import { defaultView, fitCamera, formatView, isPhotograph, kMostChannels, parseView } from './view';

const dataset = (more: Partial<Dataset> = {}): Dataset => ({
  path: '/a/scan', name: 'scan 1', format: '', version: '1', axes: 'tczyx', shape: { t: 4, c: 3, z: 24, y: 1000, x: 2000 }, type: 'uint16', bytes: 0, voxel_size: { z: 2, y: 0.5, x: 0.5 }, voxel_unit: 'micrometer',
  tile: 512, channels: [{ name: 'DAPI', colour: '#4F8BFF' }], labels: ['nuclei'], not_decodable: null, state: 'hot', resident: 0, size: 0, ...more,
});
const parse = (hash: string, d = dataset()) => parseView(parseHash(hash).query, d);

it('a view survives its address', () => {
  const d = dataset();
  const view = defaultView(d);
  Object.assign(view, { t: 3, z: 7, camera: { x: 12.5, y: 99, zoom: -1.25 }, labels: 'nuclei' });
  view.channels[0] = { visible: false, colour: '00ff00', low: -5, high: 1234.5, gamma: 0.7 };
  view.channels[1]!.gamma = 2;
  const hash = formatView('/a/scan #1', view, d);
  expect(hash).toBe('#/view?path=/a/scan%20%231&t=3&z=7&at=12.5,99,-1.25&ch=0:00ff00:-5:1234.5:0.7,1:35d07f:::2,1:ff5fb0&labels=nuclei');
  expect(parse(hash)).toEqual(view);
});

it('an untouched view needs no more than path and place', () => {
  const d = dataset({ shape: { c: 1, y: 10, x: 10 } });
  expect(formatView('/a', defaultView(d), d)).toBe('#/view?path=/a');
});

it('nonsense in an address is what one sees without it', () => {
  const d = dataset();
  expect(parse('#/view?path=/a&t=x&z=99999&at=1,2&ch=7:zzz:9:3:-1,,::&labels=../x', d)).toEqual({ ...defaultView(d), z: 23 });
  expect(parse('#/view?t=-4&at=1,NaN,3', d)).toMatchObject({ t: 0, camera: null });
});

it('colours come from the image; bytes in three channels are a photograph', () => {
  expect(defaultView(dataset()).channels.map((c) => c.colour)).toEqual(['4f8bff', '35d07f', 'ff5fb0']);
  expect(defaultView(dataset({ type: 'uint8', channels: [] })).channels.map((c) => c.colour)).toEqual(['ff0000', '00ff00', '0000ff']);
  expect([isPhotograph(dataset({ type: 'uint8', channels: [] })), isPhotograph(dataset({ type: 'uint8' })), isPhotograph(dataset())]).toEqual([true, false, false]);
  expect(defaultView(dataset({ shape: { c: 1, y: 1, x: 1 }, channels: [] })).channels[0]!.colour).toBe('ffffff');
});

it('no more channels are shown than can be drawn', () => {
  const d = dataset({ shape: { c: 14, y: 9, x: 9 }, channels: [] });
  const hash = `#/view?ch=${Array(14).fill('1').join(',')}`;
  expect(parse(hash, d).channels.filter((c) => c.visible)).toHaveLength(kMostChannels);
  const store = createViewer(d, parse(hash, d));
  store.getState().channel(13, { visible: true });
  expect(store.getState().view.channels[13]!.visible).toBe(false);
});

it('planes stop at the ends, and a film begins anew', () => {
  const d = dataset();
  const store = createViewer(d, { ...defaultView(d), z: 23 });
  const z = () => store.getState().view.z;
  store.getState().step('z', 10);
  expect(z()).toBe(23);
  store.getState().step('z', 1, true);
  expect(z()).toBe(0);
  store.getState().step('z', -1);
  expect(z()).toBe(0);
});

it('the whole image fits, and the pointer finds its pixel', () => {
  const d = dataset();
  const s = { view: defaultView(d), width: 1000, height: 800 };
  const camera = fitCamera({ t: 1, c: 1, z: 1, y: 1000, x: 2000 }, 1000, 800);
  expect(camera.zoom).toBeCloseTo(-1.02);
  expect(pixelAt(s, d, 500, 400)).toEqual({ x: 1000, y: 500 });
  expect(pixelAt({ ...s, view: { ...s.view, camera: { x: 10, y: 20, zoom: 1 } } }, d, 502, 396)).toEqual({ x: 11, y: 18 });
});

it('positions are places in the image', () => {
  const d = dataset();
  expect(parsePosition('10, 20', d)).toEqual({ x: 10, y: 20 });
  expect(parsePosition('10 20;5', d)).toEqual({ x: 10, y: 20, z: 4 }); // planes count from 1, as the slider says
  expect(parsePosition('10 20 24', d)).toEqual({ x: 10, y: 20, z: 23 });
  for (const wrong of ['', '1', 'a,b', '2000,1', '1,-1', '1,1,25', '1,1,0', '1,2,3,4']) expect(parsePosition(wrong, d)).toBeNull();
  expect(positionText(d, 10.7, 20.2)).toBe('x 10  y 20  (5.3, 10.1 µm)');
  expect(positionText(d, -1, 0)).toBe('');
});

it('contrast: automatic limits come from the histogram, and degenerate ones still differ', () => {
  const h = { bins: [0, 10, 0, 1], low: 0, high: 400, p01: 5, p999: 300, level: 2 };
  expect(autoLimits(h, 'uint16')).toEqual([5, 300]);
  expect(autoLimits({ ...h, p999: 5 }, 'uint16')).toEqual([0, 400]);
  expect(autoLimits({ ...h, low: 7, high: 7, p01: 7, p999: 7 }, 'uint16')).toEqual([7, 8]);
  expect(autoLimits(undefined, 'int8')).toEqual([-128, 127]);
  expect(typeRange('float32')).toEqual([0, 1]);
  expect(sliderRange(h, 'uint16', [-3, 100])).toEqual([-3, 400]);
  expect([stepOf('uint8', [0, 255]), stepOf('float32', [0, 2])]).toEqual([1, 0.002]);
  expect(barHeights(h.bins).map((n) => Number(n.toFixed(2)))).toEqual([0, 1, 0, 0.29]);
  expect(histogramPath([0, 1], 10, 4)).toBe('M0 4L0.0 4.0H5.0L5.0 0.0H10.0V4Z');
});

it('black and white cannot pass each other', () => {
  expect(moveLimit([10, 20], 0, 15, 1)).toEqual([15, 20]);
  expect(moveLimit([10, 20], 0, 30, 1)).toEqual([30, 31]);
  expect(moveLimit([10, 20], 1, 4, 1)).toEqual([3, 4]);
});

it('a volume is in the address, and nonsense in it is put right', () => {
  const d = dataset();
  const volume = (text: string) => parse(`#/view?vol=${text}`, d).volume;
  expect(volume('max')).toEqual({ mode: 'max', turn: -30, pitch: 20, zoom: 0, pan: [0, 0, 0] });
  expect(volume('add,270,120,99,0.1,x')).toEqual({ mode: 'add', turn: -90, pitch: 90, zoom: 6, pan: [0.1, 0, 0] });
  expect(volume('mean')).toBeNull();
  expect(parse('#/view?vol=max', dataset({ shape: { z: 1, y: 9, x: 9 } })).volume).toBeNull();
  const view = { ...defaultView(d), volume: { mode: 'min' as const, turn: 12.34, pitch: -5, zoom: 0.5, pan: [0, 0.25, 0] as [number, number, number] } };
  expect(formatView('/a', view, d)).toContain('&vol=min,12.3,-5,0.5,0,0.25,0');
  expect(formatView('/a', { ...view, volume: { ...view.volume, pan: [0, 0, 0] } }, d)).toMatch(/vol=min,12.3,-5,0.5$/);
});

it('in a volume zoom and fit are about it, and the planes keep their place', () => {
  const d = dataset();
  const store = createViewer(d, { ...defaultView(d), camera: { x: 1, y: 2, zoom: 0 }, volume: { mode: 'max', turn: 0, pitch: 0, zoom: 0, pan: [0.1, 0, 0] } });
  store.getState().zoomBy(1);
  store.getState().look({ turn: 190 });
  expect(store.getState().view).toMatchObject({ camera: { x: 1, y: 2, zoom: 0 }, volume: { zoom: 1, turn: -170 } });
  store.getState().fit();
  expect(store.getState().view.volume).toMatchObject({ zoom: 0, pan: [0, 0, 0] });
});

it('scale bars are round, and in pixels where no size is known', () => {
  expect(scaleBar(0.325, 'micrometer')).toMatchObject({ text: '20 µm' });
  expect(scaleBar(10, 'micrometer')).toMatchObject({ text: '1 mm', pixels: 100 });
  expect(scaleBar(0.001, 'micrometer')).toMatchObject({ text: '100 nm' });
  expect(scaleBar(1, 'px')).toMatchObject({ text: '100 px', pixels: 100 });
});

it('the panel says what becomes of smaller levels', () => {
  const text = (state: 'waiting' | 'building' | 'ready' | 'failed') => pyramidText({ pyramid: { state, done: 0.456, reason: 'the cache is full' } });
  expect([text('building'), text('failed'), text('ready'), pyramidText({})]).toEqual(['Smaller levels are being built: 45 %.', 'Smaller levels could not be built: The cache is full.', '', '']);
  expect(text('waiting')).toMatch(/^Smaller levels will be built/);
});

it('texts', () => {
  expect([coldText(0), coldText(11_400), coldText(300_000)]).toEqual(['Coming from the archive', 'Coming from the archive, about 12 s', 'Coming from the archive, about 5 min']);
  expect(snapshotName(dataset({ name: '../a b?.tif' }), 0, 7)).toBe('.._a_b_.tif_time1_plane8.png');
  expect(snapshotName(dataset({ name: 'a.tif' }), 2, null)).toBe('a.tif_time3_3d.png');
});
