// What the mock serves: a namespace of folders, images and files with residency, prefetches that progress
// with the time, runs, agents and the status. All of it is in memory and belongs to one server.
const kMiB = 2 ** 20;
const kRate = 900 * kMiB; // bytes per second that the pretended archive gives

function levelsOf(shape) {
  const levels = [];
  let { x, y } = shape;
  for (;;) {
    levels.push({ shape: { ...shape, x, y }, stored: true });
    if (Math.max(x, y) <= 512) return levels;
    x = (x + 1) >> 1;
    y = (y + 1) >> 1;
  }
}

function image(path, shape, state, more = {}) {
  const samples = shape.t * shape.c * shape.z * shape.y * shape.x;
  const bytes = samples * 2;
  const size = Math.round(bytes * 0.55);
  const part = { hot: 1, dirty: 1, partial: 0.37, cold: 0 }[state];
  const axes = [...'tczyx'].filter((a) => shape[a] > 1 || a === 'y' || a === 'x').join('');
  return {
    path, name: path.split('/').pop(), format: 'OME-Zarr', version: 'v' + path.length, axes, shape,
    type: 'uint16', bytes, voxel_size: { z: 1.5, y: 0.325, x: 0.325 }, voxel_unit: 'micrometer',
    levels: levelsOf(shape), tile: 512,
    channels: [{ name: 'DAPI', colour: '#4f8bff' }, { name: 'Phalloidin', colour: '#ff9d2e' }].slice(0, shape.c),
    plate: null, well: null, files: null, series: null, labels: [], not_decodable: null,
    state, size, resident: Math.round(size * part), ...more,
  };
}

// Wells: row A is on the SSD, row B partly, what follows is in the archive. C2 was not imaged.
function plate(path, name, rows, columns, fields) {
  const letters = Array.from({ length: rows }, (_, i) => (i < 26 ? String.fromCharCode(65 + i) : `A${String.fromCharCode(39 + i)}`));
  const wells = letters.flatMap((letter, row) => Array.from({ length: columns }, (_, column) => ({ path: `${letter}/${column + 1}`, row, column, fields: Array.from({ length: fields }, (_, f) => ({ path: `${letter}/${column + 1}/${f}` })) })));
  return { path, name: path.split('/').pop(), format: 'OME-Zarr plate', plate: { name, rows: letters, columns: Array.from({ length: columns }, (_, i) => String(i + 1)), wells: wells.filter((w) => w.path !== 'C/2'), acquisitions: [] } };
}
const kWellSize = 40 * kMiB;
const wellState = (row) => (row === 0 ? 'hot' : row === 1 ? 'partial' : 'cold');

export class World {
  constructor({ bigFolder = 0, coldMs = 1500, capacity = 96 * 1024 * kMiB } = {}) {
    this.capacity = capacity;
    this.pins = [{ path: '/brain42/raw', owner: 'ada', reason: 'course on Monday' }];
    this.publishes = [];
    this.shares = [];
    this.shared = 0; // links that were ever made
    this.jobs = []; // submitted workflows
    this.texts = new Map(); // the files that /api/file serves
    this.started = Date.now();
    this.coldMs = coldMs;
    this.prefetches = [];
    this.evicted = 0;
    this.recalls = new Map(); // plane -> when it is hot
    const s = { t: 1, c: 2, z: 24, y: 2048, x: 2048 };
    this.images = [
      image('/brain42/overview.ome.zarr', { ...s, z: 8, y: 1536, x: 1280 }, 'partial'),
      image('/brain42/scan.ome.zarr', s, 'hot', { labels: ['nuclei'] }),
      image('/brain42/scan-archive.ome.zarr', s, 'cold'),
      image('/brain42/timelapse.ome.tif', { t: 12, c: 2, z: 1, y: 1024, x: 1024 }, 'dirty', { format: 'OME-TIFF', voxel_size: { z: null, y: 0.65, x: 0.65 } }),
      image('/brain42/scanner.czi', { ...s, y: 4096, x: 4096 }, 'cold', { format: 'CZI', not_decodable: 'the JPEG XR compression of this file cannot be decoded: export it as OME-TIFF' }),
      image('/plates/screen-03/B/03.ome.zarr', { t: 1, c: 2, z: 1, y: 1080, x: 1280 }, 'hot'),
      image('/empty size/100 % näive #1?.tif', { t: 1, c: 1, z: 1, y: 300, x: 200 }, 'hot', { format: 'TIFF', voxel_size: null, voxel_unit: '' }),
    ];
    const ball = { t: 1, c: 1, z: 32, y: 96, x: 96 };
    const cube = { ball: true, voxel_size: { z: 1.5, y: 0.5, x: 0.5 }, channels: [{ name: 'Ball', colour: '#ffffff' }] };
    this.images.push(image('/volumes/ball.ome.zarr', ball, 'hot', { ...cube, labels: ['ball'] }), image('/volumes/ball-archive.ome.zarr', ball, 'cold', cube), image('/volumes/movie.ome.zarr', { t: 6, c: 1, z: 8, y: 1024, x: 1024 }, 'partial'));
    this.plates = [plate('/plates/screen-04.ome.zarr', 'Screen 4', 4, 6, 2), plate('/plates/screen-1536.ome.zarr', 'Large screen', 32, 48, 9)];
    const nuclei = this.images[1];
    this.images.push(image('/volumes/ball.ome.zarr/labels/ball', ball, 'hot', { ...cube, type: 'uint32', isLabel: true }));
    this.images.push({ ...nuclei, path: nuclei.path + '/labels/nuclei', name: 'nuclei', type: 'uint32', labels: [], isLabel: true, shape: { ...nuclei.shape, c: 1 } });
    this.files = [
      { path: '/brain42/broken.tif', size: 4096, resident: 4096, dirty: 0 },
      { path: '/brain42/notes.txt', size: 2310, resident: 2310, dirty: 0 },
      { path: '/brain42/protocol.pdf', size: 1.8 * kMiB, resident: 0, dirty: 0 },
      { path: '/brain42/run-output.csv', size: 14.2 * kMiB, resident: 14.2 * kMiB, dirty: 14.2 * kMiB, writing: true },
      { path: '/plates/name\uefffwith bytes.txt', size: 10, resident: 10, dirty: 0 },
    ];
    for (let i = 0; i < 12; i++) this.files.push({ path: `/brain42/raw/stack_${String(i).padStart(3, '0')}.mrc`, size: 512 * kMiB, resident: i < 4 ? 512 * kMiB : 0, dirty: 0 });
    for (let i = 0; i < bigFolder; i++) this.files.push({ path: `/big/frame_${String(i).padStart(6, '0')}.tif`, size: 8 * kMiB, resident: i % 3 ? 8 * kMiB : 0, dirty: 0 });
  }

  // As a list of datasets has a plate: one entry, whose wells were not looked at.
  platesIn(path) {
    return this.plates.filter((p) => p.path.slice(0, p.path.lastIndexOf('/')) === path).map((p) => ({ path: p.path, name: p.name, format: p.format, is_plate: true, error: 'this is a plate: open it to see its wells', not_decodable: null, shape: {}, channels: [], labels: [], version: '', state: 'partial', size: kWellSize * p.plate.wells.length, resident: Math.round(0.3 * kWellSize * p.plate.wells.length), dirty: 0 }));
  }

  // Everything that counts for sums: files, and images as one file each (labels are inside their image).
  leaves() {
    return [...this.files, ...this.images.filter((i) => !i.isLabel).map((i) => ({ path: i.path, size: i.size, resident: i.resident, dirty: i.state === 'dirty' ? 41 * kMiB : 0, image: i }))];
  }

  static state(size, resident, dirty) {
    return dirty ? 'dirty' : resident >= size ? 'hot' : resident > 0 ? 'partial' : 'cold';
  }

  list(path, { totals = false, after = '', limit = 1000 } = {}) {
    this.advance();
    const base = path === '/' ? '/' : path + '/';
    const found = new Map();
    for (const leaf of this.leaves()) {
      if (!leaf.path.startsWith(base)) continue;
      const name = leaf.path.slice(base.length).split('/')[0];
      const child = base + name;
      const isFile = child === leaf.path && !(leaf.image && leaf.image.format === 'OME-Zarr');
      const e = found.get(child) ?? { path: child, kind: isFile ? 'file' : 'directory', state: '', size: 0, resident: 0, dirty: 0, mode: 33188, uid: 1000, gid: 1000, mtime: '2026-11-28T14:05:00Z', writing: Boolean(leaf.writing), pins: isFile ? this.pinsOf(child) : [], files: 0 };
      if (isFile || totals) {
        e.size += leaf.size;
        e.resident += leaf.resident;
        e.dirty += leaf.dirty;
        e.files += isFile ? 0 : 1;
        e.state = World.state(e.size, e.resident, e.dirty);
      }
      found.set(child, e);
    }
    if (!found.size && path !== '/') return null;
    const all = [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1)).filter((e) => e.path > after);
    return { entries: all.slice(0, limit), next: all.length > limit ? all[limit - 1].path : '' };
  }

  pinsOf(path) {
    return this.pins.filter((p) => path === p.path || path.startsWith(p.path + '/')).map((p) => (p.reason ? `${p.owner}: ${p.reason}` : p.owner));
  }

  // A file itself, or all files below a folder, with a dataset as one file.
  filesBelow(path) {
    this.advance();
    return this.below(path).map((l) => ({ path: l.path, kind: 'file', state: World.state(l.size, l.resident, l.dirty), size: l.size, resident: l.resident, dirty: l.dirty, mode: 33188, uid: 1000, gid: 1000, mtime: '2026-11-28T14:05:00Z', writing: Boolean(l.writing), pins: this.pinsOf(l.path), files: 0 }));
  }

  pin(paths, owner, reason) {
    this.unpin(paths, owner);
    for (const path of paths) this.pins.push({ path, owner, reason });
    return { files: paths.flatMap((p) => this.below(p)).length };
  }

  unpin(paths, owner) {
    const files = paths.flatMap((p) => this.below(p)).filter((l) => this.pins.some((p) => p.owner === owner && (l.path + '/').startsWith(p.path + '/'))).length;
    this.pins = this.pins.filter((p) => p.owner !== owner || !paths.some((path) => (p.path + '/').startsWith(path + '/')));
    return { files };
  }

  // Takes two seconds; what is being written waits until that ends.
  publish(paths) {
    const leaves = paths.flatMap((p) => this.below(p)).filter((l) => l.dirty);
    this.publishes.push({ at: Date.now(), leaves });
    return this.publishProgress(this.publishes.length);
  }

  publishProgress(id) {
    const found = this.publishes[id - 1];
    if (!found) return null;
    const part = Math.min(1, (Date.now() - found.at) / 2000);
    const ready = found.leaves.filter((l) => !l.writing);
    const waiting = found.leaves.filter((l) => l.writing);
    const sum = (list) => list.reduce((n, l) => n + l.dirty, 0);
    if (part >= 1) for (const l of ready) l.image ? Object.assign(l.image, { state: 'hot' }) : Object.assign(this.files.find((f) => f.path === l.path), { dirty: 0 });
    return {
      id, done: part >= 1 && !waiting.length, pending_keys: (part < 1 ? ready.length : 0) + waiting.length, pending_bytes: Math.round((1 - part) * sum(ready)) + sum(waiting),
      published_files: part < 1 ? 0 : ready.length, published_bytes: Math.round(part * sum(ready)), waiting: waiting.map((l) => ({ path: l.path, reason: 'open for writing by pid 4711', open_for_writing: true })),
    };
  }

  // What is in an OME-Zarr: a folder for each level, and in it a file for each plane. Null: the path is not in one.
  inside(path, recursive) {
    const image = this.images.find((i) => !i.isLabel && i.format === 'OME-Zarr' && (i.path === path || path.startsWith(i.path + '/')));
    if (!image) return null;
    const part = image.size ? image.resident / image.size : 0;
    const entry = (p, kind, size, resident) => ({ path: p, kind, state: World.state(size, resident, 0), size, resident, dirty: 0, mode: 33188, uid: 1000, gid: 1000, mtime: '2026-11-28T14:05:00Z', writing: false, pins: kind === 'file' ? this.pinsOf(p) : [], files: 0 });
    const plane = (level) => Math.round(image.size / 2 / image.shape.z / 4 ** level);
    const isHot = (level, z) => part >= 1 || (part > 0 && (level > 0 || z < image.shape.z * part));
    const planes = (level) => Array.from({ length: 2 * image.shape.z }, (_, k) => entry(`${image.path}/${level}/${k % 2}/${k >> 1}/0/0`, 'file', plane(level), isHot(level, k >> 1) ? plane(level) : 0));
    if (path === image.path && recursive) return { entries: image.levels.flatMap((_, level) => planes(level)), next: '' };
    if (path === image.path) {
      return { entries: image.levels.map((_, level) => { const all = planes(level); return entry(`${path}/${level}`, 'directory', all.reduce((n, e) => n + e.size, 0), all.reduce((n, e) => n + e.resident, 0)); }), next: '' };
    }
    return recursive ? { entries: planes(Number(path.slice(image.path.length + 1))), next: '' } : null;
  }

  // By level, time point and plane. Of what is partly here, level 0 has the first planes of the first half of the time.
  planes(path) {
    const image = this.images.find((i) => i.path === path && !i.isLabel);
    if (!image) return null;
    this.advance();
    const { t, z } = image.shape;
    const part = image.size ? image.resident / image.size : 0;
    const levels = image.levels.map((_, level) => {
      const each = Math.round(image.size / t / z / 4 ** level);
      const hot = (i) => part >= 1 || (part > 0 && (level > 0 || (i % z < z * part && Math.floor(i / z) < Math.max(1, t / 2))));
      const all = Array.from({ length: t * z }, (_, i) => i);
      return { level, t, z, t_cells: t, z_cells: z, bytes: all.map(() => each), resident: all.map((i) => (hot(i) ? each : 0)), dirty: all.map(() => (image.state === 'dirty' ? 10 : 0)) };
    });
    return { path, complete: true, levels };
  }

  // In two steps, as a search that takes long.
  find(name, path, after) {
    const words = name.toLowerCase().split(' ').filter(Boolean);
    const all = this.below(path).filter((l) => words.every((w) => l.path.slice(l.path.lastIndexOf('/') + 1).toLowerCase().includes(w)));
    const some = after ? all.slice(1) : all.slice(0, 1);
    const entries = some.map((l) => ({ path: l.path, kind: 'file', state: World.state(l.size, l.resident, l.dirty), size: l.size, resident: l.resident, dirty: l.dirty, mode: 33188, uid: 1000, gid: 1000, mtime: '2026-11-28T14:05:00Z', writing: false, pins: [], files: 0 }));
    return { entries, next: after ? '' : 'aa' };
  }

  datasets(path) {
    this.advance();
    const base = path === '/' ? '/' : path + '/';
    return this.images.filter((i) => !i.isLabel && i.path.startsWith(base) && !i.path.slice(base.length).includes('/')).sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  image(path) {
    this.advance();
    return this.images.find((i) => i.path === path) ?? this.field(path);
  }

  plate(path) {
    return this.plates.find((p) => p.path === path);
  }

  // A field of a plate: its nuclei are those of another place in each well.
  field(path) {
    const found = this.plates.find((p) => path.startsWith(p.path + '/'));
    const well = found?.plate.wells.find((w) => w.fields.some((f) => `${found.path}/${f.path}` === path));
    if (!well) return undefined;
    const shift = 100 * (well.row * 48 + well.column) + 20_000 * Number(path.split('/').pop());
    return { ...image(path, { t: 1, c: 2, z: 1, y: 512, x: 512 }, wellState(well.row), { plate: found.path, well: well.path }), shift };
  }

  // The wells of a row of a plate, as a listing with sums has them.
  wellsOf(path) {
    const found = this.plates.find((p) => path.startsWith(p.path + '/'));
    const row = found && path.slice(found.path.length + 1);
    if (!found || row.includes('/')) return null;
    const part = { hot: 1, partial: 0.4, cold: 0 };
    const entries = found.plate.wells.filter((w) => w.path.startsWith(`${row}/`)).map((w) => {
      const state = wellState(w.row);
      return { path: `${found.path}/${w.path}`, kind: 'directory', state, size: kWellSize, resident: kWellSize * part[state], dirty: 0, mode: 16877, uid: 1000, gid: 1000, mtime: '2026-11-28T14:05:00Z', writing: false, pins: [], files: 12 };
    });
    return { entries, next: '' };
  }

  below(path) {
    return this.leaves().filter((l) => l.path === path || l.path.startsWith(path === '/' ? '/' : path + '/'));
  }

  setResident(leaf, resident) {
    const target = leaf.image ?? leaf;
    target.resident = resident;
    if (leaf.image && leaf.image.state !== 'dirty') leaf.image.state = World.state(leaf.size, resident, 0);
  }

  prefetch(paths, label) {
    const leaves = paths.flatMap((p) => this.below(p));
    if (!leaves.length) return null;
    const total = leaves.reduce((n, l) => n + l.size, 0);
    const had = leaves.reduce((n, l) => n + l.resident, 0);
    const p = {
      id: this.prefetches.length + 1, state: 'running', label: label ?? '', urgency: 'task', owner_uid: 1000,
      total_bytes: total, done_bytes: had, copied_bytes: 0, total_files: leaves.length, done_files: 0, failed_files: 0,
      first_error: '', rate_bytes_per_s: 0, eta_s: 0, reason: '', created: new Date().toISOString(), ended: null,
      leaves, had, at: Date.now(),
    };
    this.prefetches.push(p);
    this.advance();
    return p;
  }

  // Moves all running prefetches to where they are by now.
  advance() {
    for (const p of this.prefetches) {
      if (p.state !== 'running') continue;
      let left = ((Date.now() - p.at) / 1000) * kRate;
      p.done_bytes = Math.min(p.total_bytes, p.had + left);
      p.copied_bytes = p.done_bytes - p.had;
      p.rate_bytes_per_s = kRate;
      p.eta_s = (p.total_bytes - p.done_bytes) / kRate;
      p.done_files = Math.floor((p.done_bytes / p.total_bytes) * p.total_files);
      for (const leaf of p.leaves) {
        const now = (leaf.image ?? leaf).resident;
        const add = Math.min(leaf.size - now, left);
        if (add > 0) this.setResident(leaf, now + add);
        left -= leaf.size - leaf.resident;
        if (left <= 0) break;
      }
      if (p.done_bytes >= p.total_bytes) {
        for (const leaf of p.leaves) this.setResident(leaf, leaf.size);
        Object.assign(p, { state: 'done', ended: new Date().toISOString(), rate_bytes_per_s: 0, eta_s: 0 });
      }
    }
  }

  evict(paths) {
    const result = { files: 0, bytes: 0, skipped: [], skipped_files: 0 };
    for (const leaf of paths.flatMap((p) => this.below(p))) {
      if (leaf.dirty) {
        result.skipped.push({ path: leaf.path, reason: 'dirty' });
        result.skipped_files++;
      } else if (leaf.resident && this.pinsOf(leaf.path).length) {
        result.skipped.push({ path: leaf.path, reason: `pinned by ${this.pinsOf(leaf.path)[0]}` });
        result.skipped_files++;
      } else if (leaf.resident) {
        result.files++;
        result.bytes += leaf.resident;
        this.setResident(leaf, 0);
        for (const key of this.recalls.keys()) if (key.startsWith(leaf.path)) this.recalls.delete(key);
      }
    }
    this.evicted += result.bytes;
    return result;
  }

  // How many milliseconds until a plane of a level is on the SSD; the first question begins the recall.
  coldFor(image, level, t, z) {
    if (image.isLabel || image.state === 'hot' || image.state === 'dirty' || (level === image.levels.length - 1 && !image.ball)) return 0;
    const key = [image.path, level, t, z].join('/');
    if (!this.recalls.has(key)) this.recalls.set(key, Date.now() + this.coldMs);
    return Math.max(0, this.recalls.get(key) - Date.now());
  }

  // The same for a file of results; only tables named cold.csv are in the archive.
  coldText(path) {
    if (!path.endsWith('/cold.csv')) return 0;
    if (!this.recalls.has(path)) this.recalls.set(path, Date.now() + this.coldMs);
    return Math.max(0, this.recalls.get(path) - Date.now());
  }
}
