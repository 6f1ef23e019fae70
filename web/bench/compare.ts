// Our source of tiles beside Viv's own Zarr source, on the same image of a running hub, without drawing: how long until
// the data of a tile reaches the layer, and what a scrub through planes costs. bench/hub_goals.mjs opens this page.
import { loadOmeZarr } from '@vivjs/loaders';
import type { Dataset } from '../src/api/types';
import { levelsOf } from '../src/viewer/source';
import { Tiles } from '../src/viewer/tiles';

interface Source {
  getTile(wanted: { x: number; y: number; selection: { t: number; c: number; z: number }; signal?: AbortSignal }): Promise<unknown>;
}

interface Scrub {
  ms: number; // from the last step until its tiles are here
  requests: number;
  bytes: number;
}

interface Compared {
  step: { ours: number[]; viv: number[] };
  scrub: { ours: Scrub[]; viv: Scrub[] };
}

const kChannels = [0, 1];
const kScrubStepMs = 16;
const kQuietMs = 300; // so long without an answer: nothing is on its way any more
const pause = (ms: number) => new Promise((later) => setTimeout(later, ms));

// What a viewport of 1,024 x 1,024 shows of a plane: four tiles with all channels.
function plane(source: Source, z: number, signal?: AbortSignal): Promise<unknown> {
  const tiles = [0, 1].flatMap((y) => [0, 1].flatMap((x) => kChannels.map((c) => source.getTile({ x, y, selection: { t: 0, c, z }, signal }))));
  return Promise.all(tiles);
}

async function quiet(): Promise<void> {
  for (let count = -1; count !== performance.getEntriesByType('resource').length; ) {
    count = performance.getEntriesByType('resource').length;
    await pause(kQuietMs);
  }
}

// As fast as a slider is drawn: each plane is asked for, and the one before is let go.
async function scrub(source: Source, from: number, to: number): Promise<Scrub> {
  performance.clearResourceTimings();
  let stop = new AbortController();
  for (let z = from; z < to; z++) {
    plane(source, z, stop.signal).catch(() => {});
    await pause(kScrubStepMs);
    stop.abort();
    stop = new AbortController();
  }
  const begun = performance.now();
  await plane(source, to);
  const ms = performance.now() - begun;
  await quiet();
  const all = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
  return { ms, requests: all.length, bytes: all.reduce((sum, e) => sum + e.encodedBodySize, 0) };
}

async function compare(path: string, planes: number, scrubs: number): Promise<Compared> {
  performance.setResourceTimingBufferSize(10_000);
  const dataset = (await (await fetch(`api/dataset?path=${encodeURIComponent(path)}`)).json()) as Dataset;
  const ours = () => levelsOf(new Tiles(dataset, { onCold: () => {}, onStale: () => {}, onError: () => {} }))[0] as Source;
  const viv = (await loadOmeZarr(new URL(`zarr/v2${path}`, window.location.href).href, { type: 'multiscales' })).data[0] as unknown as Source;
  const out: Compared = { step: { ours: [], viv: [] }, scrub: { ours: [], viv: [] } };
  const first = ours();
  const timed = async (times: number[], source: Source, z: number) => {
    const begun = performance.now();
    await plane(source, z);
    times.push(performance.now() - begun);
  };
  // In turns, so that neither always comes after the other: the worker has decoded what the second one asks for.
  for (let z = 0; z < planes; z++)
    for (const mine of z % 2 ? [true, false] : [false, true]) await timed(mine ? out.step.ours : out.step.viv, mine ? first : viv, z);
  for (let round = 0; round < scrubs; round++) {
    out.scrub.ours.push(await scrub(ours(), 0, planes - 1)); // a new one has nothing
    out.scrub.viv.push(await scrub(viv, 0, planes - 1));
  }
  return out;
}

Object.assign(window, { compare });
