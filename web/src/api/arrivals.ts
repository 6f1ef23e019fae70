// Tiles that come from the archive: the hub tells when one is here, so that whoever waits for it asks at once.

type Awake = () => void;
const waiting = new Map<string, Set<Awake>>();

export interface ArrivedTile {
  path: string;
  level: number;
  t: number;
  z: number;
  y: number;
  x: number;
}

export const tileName = ({ path, level, t, z, y, x }: ArrivedTile) => `${path} ${level}/${t}/${z}/${y}/${x}`;

// `what`: the name of a tile, or the path of an image, of which any tile will do. Returns a function that ends it.
export function onArrival(what: string, awake: Awake): () => void {
  const all = waiting.get(what) ?? new Set();
  waiting.set(what, all.add(awake));
  return () => {
    all.delete(awake);
    if (!all.size && waiting.get(what) === all) waiting.delete(what);
  };
}

export function tellArrival(tile: ArrivedTile): void {
  for (const what of [tileName(tile), tile.path]) for (const awake of [...(waiting.get(what) ?? [])]) awake();
}

// Some were missed: everyone asks.
export function tellAllArrivals(): void {
  for (const all of [...waiting.values()]) for (const awake of [...all]) awake();
}
