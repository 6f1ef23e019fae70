// What a page loads, compressed: printed by the build, and held to limits by the tests.
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../dist', import.meta.url));

// All files that an entry of the manifest needs, without what it loads later.
function needed(manifest, key, seen = new Set()) {
  if (seen.has(key)) return seen;
  seen.add(key);
  for (const other of manifest[key].imports ?? []) needed(manifest, other, seen);
  return seen;
}

function filesOf(manifest, keys) {
  return [...keys].flatMap((k) => [manifest[k].file, ...(manifest[k].css ?? []), ...(manifest[k].assets ?? [])]);
}

const gzip = (file) => zlib.gzipSync(fs.readFileSync(path.join(dist, file)), { level: 9 }).length;
const sum = (files) => [...files].reduce((n, f) => n + gzip(f), 0);

export function sizes() {
  const manifest = JSON.parse(fs.readFileSync(path.join(dist, '.vite/manifest.json'), 'utf8'));
  const page = new Set(filesOf(manifest, needed(manifest, 'index.html')));
  const lazy = Object.keys(manifest).filter((k) => manifest[k].isDynamicEntry && k.startsWith('src/'));
  const out = { page: sum(page) + gzip('index.html') };
  for (const key of lazy) {
    const name = path.basename(path.dirname(key));
    out[name] = sum(new Set(filesOf(manifest, needed(manifest, key)).filter((f) => !page.has(f))));
  }
  return out;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, n] of Object.entries(sizes())) console.log(`${name}: ${(n / 1000).toFixed(1)} kB gzip`);
}
