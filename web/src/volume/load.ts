// Fetches a volume tile by tile. All channels of a tile come with one request.
import { kAborted, type Tile, type Tiles } from '../viewer/tiles';
import type { Plan } from './plan';

const kAtOnce = 12; // what comes from the archive holds no connection while it is waited for

export interface Piece {
  channel: number; // its index in `channels`
  plane: number; // its index in the plan
  x: number; // in voxels of the level
  y: number;
  tile: Tile;
}

// Calls `arrived` with each piece, and `progress` with the part that is here. Rejects with kAborted, or with what failed.
export async function loadVolume(tiles: Tiles, plan: Plan, t: number, channels: number[], arrived: (piece: Piece) => void, progress: (part: number) => void, signal: AbortSignal): Promise<void> {
  const side = tiles.dataset.tile;
  const places: { plane: number; y: number; x: number }[] = [];
  plan.planes.forEach((_, plane) => {
    for (let y = 0; y * side < plan.height; y++) for (let x = 0; x * side < plan.width; x++) places.push({ plane, y, x });
  });
  const stop = new AbortController();
  const end = () => stop.abort();
  signal.addEventListener('abort', end, { once: true });
  let next = 0;
  let here = 0;
  const work = async () => {
    while (next < places.length && !stop.signal.aborted) {
      const { plane, y, x } = places[next++]!;
      const place = { level: plan.level, t, z: plan.planes[plane]!, y, x };
      const parts = await Promise.all(channels.map((c) => tiles.get(place, c, stop.signal)));
      if (stop.signal.aborted) return;
      parts.forEach((tile, channel) => arrived({ channel, plane, x: x * side, y: y * side, tile }));
      progress(++here / places.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: kAtOnce }, work));
  } finally {
    stop.abort(); // one failure ends all
    signal.removeEventListener('abort', end);
  }
  if (signal.aborted) throw kAborted;
}
