// A small hub for the page's tests and for development: the addresses that the page uses, the same
// headers, and answers out of memory. start() returns the address, the world and a log of requests.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { events } from './events.mjs';
import { histogram, tile } from './images.mjs';
import { picture, thumbnail } from './png.mjs';
import { agents, runs, status, statuses } from './status.mjs';
import { cancel, check, jobText, log as runLog, plan, ranBefore, report, results, run, workflows } from './workflows.mjs';
import { World } from './world.mjs';

export const kPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; worker-src 'self'; font-src 'self'; frame-ancestors 'none'";
const dist = fileURLToPath(new URL('../dist', import.meta.url));
const kTypes = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' };

function json(res, value, code = 200, headers = {}) {
  res.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
  res.end(JSON.stringify(value));
}
const fail = (res, code, name, error) => json(res, { error, code: name }, code);
function recalling(res, ms) {
  json(res, { error: 'the data is coming from the archive', code: 'EAGAIN', missing_bytes: 4194304, eta_ms: Math.ceil(ms) }, 503, { 'x-tierhub-state': 'recalling', 'x-tierhub-eta-ms': String(Math.ceil(ms)), 'retry-after': '1' });
}

function asset(url, res) {
  const name = url.pathname === '/' ? '/index.html' : url.pathname;
  const file = path.join(dist, path.normalize(name));
  if (!file.startsWith(dist) || !fs.existsSync(file) || fs.statSync(file).isDirectory()) return fail(res, 404, 'ENOENT', 'there is no such page');
  res.writeHead(200, { 'content-type': kTypes[path.extname(file)] ?? 'application/octet-stream', 'content-security-policy': kPolicy, 'x-content-type-options': 'nosniff' });
  return res.end(fs.readFileSync(file));
}

const plain = ({ leaves, had, at, ...p }) => p;

function control(world, options, req, url, body, res) {
  const route = url.pathname.slice('/api/v1/'.length);
  const q = url.searchParams;
  if (route === 'events') {
    if (options.noEvents || options.noLongPoll) return fail(res, 404, 'ENOSYS', 'there is no such route');
    return options.wait(q.has('since') ? Number(q.get('since')) : null, Number(q.get('last') ?? 0), Number(q.get('wait_ms') ?? 0)).then((answer) => res.destroyed || json(res, answer));
  }
  if (route === 'status') return json(res, status(world, options));
  if (route === 'agents') return json(res, { agents: agents(options) });
  if (route === 'runs') return json(res, { runs: runs(world, options) });
  if (route.startsWith('runs/')) {
    const run = runs(world, options).find((r) => r.run === decodeURIComponent(route.slice(5)));
    return run ? json(res, run) : fail(res, 404, 'ENOENT', 'there is no such run');
  }
  if (route === 'ls') {
    const wells = world.wellsOf(q.get('path') ?? '/');
    if (wells) return json(res, wells);
    const inside = world.inside(q.get('path') ?? '/', q.get('recursive') === 'true');
    if (inside) return json(res, inside);
    if (q.get('recursive') === 'true') return json(res, { entries: world.filesBelow(q.get('path')), next: '' });
    const list = world.list(q.get('path') ?? '/', { totals: q.get('totals') === 'true', after: q.get('after') ?? '', limit: Number(q.get('limit') ?? 1000) });
    return list ? json(res, list) : fail(res, 404, 'ENOENT', `there is no ${q.get('path')}`);
  }
  if (route === 'residency') {
    const leaf = world.leaves().find((l) => l.path === q.get('path'));
    return leaf ? json(res, { path: leaf.path, size: leaf.size, begin: 0, end: leaf.size, resident: leaf.resident, dirty: leaf.dirty, ranges: leaf.resident ? [{ begin: 0, end: leaf.resident }] : [], more: false }) : fail(res, 404, 'ENOENT', `there is no ${q.get('path')}`);
  }
  if (route === 'find') return json(res, world.find(q.get('name'), q.get('path'), q.get('after') ?? ''));
  if (route === 'prefetch' && req.method === 'GET') {
    world.advance();
    return json(res, { prefetches: world.prefetches.map(plain) });
  }
  if (route === 'prefetch') {
    const p = world.prefetch(body.paths, body.label);
    return p ? json(res, plain(p), 202) : fail(res, 404, 'ENOENT', `there is no ${body.paths[0]}`);
  }
  const one = /^prefetch\/(\d+)(\/resume)?$/.exec(route);
  if (one) {
    const p = world.prefetches[one[1] - 1];
    if (!p) return fail(res, 404, 'ENOENT', 'there is no such prefetch');
    if (req.method === 'DELETE') Object.assign(p, { state: 'cancelled', ended: new Date().toISOString(), rate_bytes_per_s: 0, eta_s: 0 });
    return json(res, plain(p));
  }
  if ((route === 'pin' || route === 'unpin') && !options.root) return fail(res, 403, 'EPERM', `only root may ${route}`);
  if (route === 'pin') return json(res, world.pin(body.paths, body.owner, body.reason));
  if (route === 'unpin') return json(res, world.unpin(body.paths, body.owner));
  if (route === 'publish') return json(res, world.publish(body.paths), 202);
  if (route.startsWith('publish/')) {
    const progress = world.publishProgress(Number(route.slice(8)));
    return progress ? json(res, progress) : fail(res, 404, 'ENOENT', 'there is no such publish');
  }
  if (route === 'evict') return json(res, world.evict(body.paths));
  return fail(res, 404, 'ENOSYS', 'there is no such route');
}

function pixels(world, url, res) {
  const parts = url.pathname.split('/').slice(2).map(decodeURIComponent);
  const [x, y, z, cs, t, level] = parts.splice(-6).reverse();
  const version = parts.shift();
  const image = world.image('/' + parts.join('/'));
  if (!image) return fail(res, 404, 'ENOENT', 'there is no such image');
  if (image.version !== version) return fail(res, 410, 'ESTALE', 'the image has changed: ask for it again');
  if (image.not_decodable) return fail(res, 422, 'EOPNOTSUPP', image.not_decodable);
  const wait = world.coldFor(image, Number(level), Number(t), Number(z));
  if (wait) return recalling(res, wait);
  const samples = tile(image, Number(level), Number(t), cs.split(',').map(Number), Number(z), Number(y), Number(x));
  if (!samples) return fail(res, 400, 'EINVAL', 'this tile is outside the image');
  res.writeHead(200, { 'content-type': 'application/octet-stream', 'cache-control': 'private, max-age=31536000, immutable' });
  return res.end(Buffer.from(samples.buffer));
}

// The same tile as a picture.
function rendered(world, url, res) {
  const parts = url.pathname.split('/').slice(2).map(decodeURIComponent);
  const [x, y, z, t, level] = parts.splice(-5).reverse().map(Number);
  const version = parts.shift();
  const image = world.image('/' + parts.join('/'));
  if (!image) return fail(res, 404, 'ENOENT', 'there is no such image');
  if (image.version !== version) return fail(res, 410, 'ESTALE', 'the image has changed: ask for it again');
  const list = (name) => (url.searchParams.get(name) ?? '').split(',');
  const channels = list('c').map(Number);
  if (['colors', 'min', 'max', 'gamma'].some((name) => list(name).length !== channels.length)) return fail(res, 400, 'EINVAL', 'c, colors, min, max and gamma differ in length');
  const wait = world.coldFor(image, level, t, z);
  if (wait) return recalling(res, wait);
  const samples = tile(image, level, t, channels, z, y, x);
  if (!samples) return fail(res, 400, 'EINVAL', 'this tile is outside the image');
  const { shape } = image.levels[level];
  const looks = channels.map((_, i) => ({ colour: [0, 2, 4].map((k) => parseInt(list('colors')[i].slice(k, k + 2), 16)), min: Number(list('min')[i]), max: Number(list('max')[i]), gamma: Number(list('gamma')[i]) }));
  res.writeHead(200, { 'content-type': 'image/png', 'cache-control': 'private, max-age=31536000, immutable' });
  return res.end(picture(samples, Math.min(512, shape.x - 512 * x), Math.min(512, shape.y - 512 * y), looks));
}

function text(res, body) {
  res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
  res.end(body);
}

// What the hub itself answers about workflows and runs.
function work(world, options, req, url, body, res) {
  const route = url.pathname.slice('/api/'.length);
  if (route === 'workflows') return json(res, workflows(options));
  if (route === 'workflow/check') return json(res, check(body));
  if (route === 'workflow/plan') {
    if (options.planFails) return fail(res, 500, 'EIO', 'imgop could not be started');
    const reply = () => res.destroyed || json(res, plan(world, body));
    return body.values.diameter === 99 ? setTimeout(reply, 3000) : reply();
  }
  if (route === 'workflow/run') {
    return json(res, run(world, body));
  }
  if (route === 'file') {
    const wanted = url.searchParams.get('path');
    const found = world.texts.get(wanted);
    if (found === undefined) return fail(res, 404, 'ENOENT', `there is no ${wanted}`);
    if (wanted.endsWith('.png')) {
      res.writeHead(200, { 'content-type': 'image/png' });
      return res.end(thumbnail(world.images[1]));
    }
    const cold = world.coldText(wanted);
    if (cold) return recalling(res, cold);
    const begin = Number(url.searchParams.get('begin') ?? 0);
    res.setHeader('x-tierhub-size', Buffer.byteLength(found));
    return text(res, Buffer.from(found).subarray(begin, begin + Number(url.searchParams.get('bytes') ?? 1048576)));
  }
  const [, name, what] = /^runs\/([^/]+)(?:\/(.*))?$/.exec(route) ?? [];
  const found = statuses(world, options).find((r) => r.run === decodeURIComponent(name ?? ''));
  // The folder of one run is not there any more.
  if (!found || found.workflow === 'align') return fail(res, 404, 'ENOENT', 'the folder of this run has been removed');
  if (!what) return json(res, { ...found, folder: `/jobs/${found.ended ? 'done' : 'running'}/${found.run}`, report: report(found), job: jobText(world, found.run) ?? '' });
  if (what === 'log') return text(res, runLog(found).slice(-Number(url.searchParams.get('tail') ?? 65536)));
  if (what === 'results') return json(res, results(world, found, options));
  if (what === 'cancel') {
    cancel(world, found.run);
    return json(res, {});
  }
  return fail(res, 404, 'ENOSYS', 'there is no such route');
}

const kShareHours = 31 * 24;
function shares(world, options, req, url, res) {
  const q = url.searchParams;
  if (req.method === 'POST') {
    const hours = Number(q.get('hours'));
    if (!(hours > 0 && hours <= kShareHours)) return fail(res, 400, 'EINVAL', 'a share may live from 1 hour to 31 days');
    if (world.shares.length >= (options.mostShares ?? 100)) return fail(res, 409, 'EMLINK', `you share ${world.shares.length} images already: take one back`);
    const token = `secret${String(++world.shared).padStart(4, '0')}`;
    world.shares.push({ token, path: q.get('path'), address: `/share/${token}/zarr/v3/`, expires: new Date(Date.now() + hours * 3_600_000).toISOString() });
    world.shares.sort((a, b) => (a.expires < b.expires ? -1 : 1));
    return json(res, world.shares.find((one) => one.token === token));
  }
  if (req.method === 'DELETE') {
    const at = world.shares.findIndex((one) => one.token === q.get('token'));
    if (at < 0) return fail(res, 404, 'ENOENT', 'there is no such share');
    world.shares.splice(at, 1);
    return json(res, {});
  }
  return json(res, { shares: world.shares });
}

function answer(world, options, req, url, body, res) {
  const q = url.searchParams;
  const wanted = q.get('path') ?? '/';
  if (url.pathname.startsWith('/img/')) return pixels(world, url, res);
  if (url.pathname.startsWith('/png/')) return rendered(world, url, res);
  if (url.pathname.startsWith('/api/v1/')) return control(world, options, req, url, body, res);
  if (/^\/api\/(workflow|runs\/|file$)/.test(url.pathname)) return work(world, options, req, url, body, res);
  if (url.pathname === '/api/shares') return shares(world, options, req, url, res);
  const known = { '/api/dataset': ['path'], '/api/datasets': ['path'], '/api/thumbnail': ['path', 'version'], '/api/histogram': ['path', 'level', 't', 'c', 'z'] }[url.pathname];
  const unknown = known && [...q.keys()].find((k) => !known.includes(k));
  if (unknown) return fail(res, 400, 'EINVAL', `there is no parameter "${unknown}"`);
  if (url.search.includes('+')) return fail(res, 400, 'EINVAL', 'a plus sign is no space');
  if (url.pathname === '/api/session' && options.signedOut) return fail(res, 401, 'EACCES', 'your session has ended');
  if (url.pathname === '/api/session') return json(res, { user: 'ada', host: 'scope1', version: '0.1.0', mount: '/mnt/tier', tierd: true, here: true, error: '' });
  if (url.pathname === '/api/datasets') return json(res, { path: wanted, datasets: [...world.platesIn(wanted), ...world.datasets(wanted).map(({ levels, ...d }) => ({ ...d, labels: [], version: '' })), ...(wanted === '/brain42' ? [{ path: '/brain42/broken.tif', name: 'broken.tif', error: 'its directory of pages is cut off: copy the file again', not_decodable: 'its directory of pages is cut off: copy the file again', shape: {}, channels: [], labels: [], version: '', state: 'hot', size: 4096, resident: 4096, dirty: 0 }] : [])], left_out: wanted === '/brain42' ? ['raw has more folders than are searched'] : [] });
  if (url.pathname === '/api/events/recent') return options.noEvents ? fail(res, 404, 'ENOENT', 'there is no such page') : json(res, { events: options.recent });
  if (url.pathname === '/api/residency') {
    const map = options.oldResidency ? null : world.planes(wanted);
    return map ? json(res, map) : fail(res, 404, 'ENOENT', `there is no image ${wanted}`);
  }
  const plate = world.plate(wanted);
  if (plate && url.pathname === '/api/dataset') {
    world.plateAsked ??= Date.now(); // the first question begins the recall
    const wait = options.coldPlate ? Math.max(0, world.plateAsked + options.coldPlate - Date.now()) : 0;
    return wait ? recalling(res, wait) : json(res, plate);
  }
  const image = world.image(plate && url.pathname === '/api/thumbnail' ? `${plate.path}/A/1/0` : wanted);
  if (!image) return url.pathname.startsWith('/api/') ? fail(res, 404, 'ENOENT', `there is no image ${wanted}`) : asset(url, res);
  if (url.pathname === '/api/dataset') return json(res, image);
  if (url.pathname === '/api/histogram') return json(res, histogram(image, image.levels.length - 1, Number(q.get('t') ?? 0), Number(q.get('c') ?? 0), Number(q.get('z') ?? 0)));
  if (url.pathname === '/api/thumbnail') {
    if (image.state === 'cold') return recalling(res, 4000);
    res.writeHead(200, { 'content-type': 'image/png', 'cache-control': 'private, max-age=60' });
    return res.end(thumbnail(image));
  }
  return asset(url, res);
}

export async function start({ port = 0, delayMs = 0, ...options } = {}) {
  const world = new World(options);
  if (options.ran) ranBefore(world);
  const log = []; // what was asked for, and what became of it
  const server = http.createServer((req, res) => {
    const url = new URL(req.url, 'http://hub');
    const entry = { method: req.method, path: url.pathname + url.search, at: Date.now(), done: 0, status: 0, aborted: false };
    log.push(entry);
    res.on('close', () => (res.writableFinished ? Object.assign(entry, { done: Date.now(), status: res.statusCode }) : (entry.aborted = true)));
    if (req.method !== 'GET' && req.headers['x-tierhub'] !== '1') return fail(res, 403, 'EPERM', 'the request lacks the header X-TierHub');
    const chunks = [];
    req.on('data', (c) => chunks.push(c));
    req.on('end', () => {
      const body = chunks.length ? JSON.parse(Buffer.concat(chunks)) : {};
      const reply = () => res.destroyed || answer(world, options, req, url, body, res);
      if (delayMs && url.pathname.startsWith('/img/')) setTimeout(reply, delayMs);
      else reply();
    });
    return undefined;
  });
  const happening = events(server, world, options, () => statuses(world, options));
  Object.assign(options, { recent: happening.recent, wait: happening.wait });
  await new Promise((ready) => server.listen(port, '127.0.0.1', ready));
  const address = `http://127.0.0.1:${server.address().port}`;
  const stop = () => new Promise((ended) => { happening.stop(); server.closeAllConnections(); server.close(ended); });
  return { address, world, log, stop, options, emit: happening.emit, drop: happening.drop };
}
