// Measures the goals of the browser hub. bench/hub_goals.sh starts it, with everything that it looks at:
//   LINK         the link that tierweb printed
//   TIERWEB      the number of its process
//   EVERYBODY    the address of another tierweb, which lets in PEOPLE (names, with commas) with the password "secret"
//   SOCKET       tierd's
//   MOUNT        its mount
//   SPEED        a file: the line "rate BYTES" limits what the archive gives in a second
//   NATIVE       a copy of MOUNT/hot.raw beside scratch
//   PLACE        a folder for files of its own
//   ROWS         the file to which the rows of the table are added
//   OWN          images of the caller, paths of the namespace, one a line
// hub_goals.mjs images: all goals but the search; hub_goals.mjs search: the search, where the catalog has a million files.
// Each measurement has a time limit of its own; one that fails is a row that says so, and the others go on.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { promisify } from 'node:util';
import { openBrowser, openPage } from '../web/tests-browser/browser.mjs';

const { LINK, TIERWEB, SOCKET, MOUNT, SPEED, NATIVE, PLACE, ROWS } = process.env;
const { EVERYBODY } = process.env;
const people = (process.env.PEOPLE ?? '').split(',').filter(Boolean);
const only = (process.env.TIERHUB_GOALS ?? '').split(',').filter(Boolean); // of what measure() is given
const own = (process.env.OWN ?? '').split('\n').filter(Boolean);
const address = new URL(LINK).origin;
const run = promisify(execFile);
const pause = (ms) => new Promise((later) => setTimeout(later, ms));

const kAction = 20_000; // the longest wait for one thing on the page
let failed = 0;
let violations = 0;
let cookie = '';

function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${what}: not within ${ms / 1000} s`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const ascending = (values) => [...values].sort((a, b) => a - b);
function part(values, p) {
  const all = ascending(values);
  return all[Math.min(all.length - 1, Math.ceil(p * all.length) - 1)];
}
const shown = (value, unit) => `${Math.abs(value) < 10 ? value.toFixed(2) : value.toFixed(0)} ${unit}`;

function row(goal, median, p95, n, met) {
  const text = `| ${goal} | ${median} | ${p95} | ${n} | ${met} |`;
  fs.appendFileSync(ROWS, `${text}\n`);
  console.error(text);
}
// Times in milliseconds; `limit` null: there is no goal, `of` says what of them the goal is about.
function times(goal, values, limit, of = 'p95') {
  if (!values.length) throw new Error(`${goal}: nothing was measured`);
  const [median, p95] = [part(values, 0.5), part(values, 0.95)];
  row(goal, shown(median, 'ms'), shown(p95, 'ms'), values.length, limit === null ? '' : (of === 'p95' ? p95 : median) <= limit ? 'yes' : 'no');
}

async function measure(what, seconds, work) {
  if (only.length && !only.some((one) => what.includes(one))) return;
  const begun = Date.now();
  try {
    await within(seconds * 1000, what, work());
  } catch (e) {
    failed++;
    row(what, 'failed', String(e.message).split('\n')[0].replaceAll('|', '/'), 0, 'no');
    // What still waits for something ends, and does not disturb what comes next.
    await within(10_000, 'closing the browser', browser.close()).catch(() => {});
    browser = await openBrowser();
  }
  console.error(`   ${what}: ${((Date.now() - begun) / 1000).toFixed(1)} s`);
}

// What the pages need: runs before their scripts do.
function instrument() {
  const real = HTMLCanvasElement.prototype.getContext;
  const contexts = new WeakMap();
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    if (kind !== 'webgl2') return real.call(this, kind, options);
    // So that a frame can be looked at after it was drawn.
    const made = real.call(this, kind, { ...options, preserveDrawingBuffer: true });
    contexts.set(this, made);
    return made;
  };
  const at = {};
  for (const kind of ['click', 'keydown', 'input']) addEventListener(kind, (e) => { at[kind] = e.timeStamp; }, true);
  const requests = [];
  const ask = window.fetch.bind(window);
  window.fetch = async (target, options) => {
    const one = { target: String(target), begun: performance.now(), ended: 0, status: 0 };
    requests.push(one);
    options?.signal?.addEventListener('abort', () => { one.ended ||= performance.now(); });
    try {
      const response = await ask(target, options);
      one.status = response.status;
      const read = response.arrayBuffer.bind(response);
      response.arrayBuffer = async () => {
        const bytes = await read();
        one.ended ||= performance.now();
        return bytes;
      };
      if (!response.ok) one.ended ||= performance.now();
      return response;
    } catch (e) {
      one.ended ||= performance.now();
      throw e;
    }
  };
  // The picture: its brightest value, in bands across it; of its middle how bright it is, how much neighbours in a row differ,
  // and a number for all of it.
  const kSide = 64;
  const kBand = 12;
  const look = () => {
    const canvas = document.querySelector('.canvas canvas');
    const gl = canvas && contexts.get(canvas);
    if (!gl) return null;
    const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
    const bound = gl.getParameter(gl.READ_FRAMEBUFFER_BINDING);
    const read = (x, y, w, h) => {
      const data = new Uint8Array(w * h * 4);
      gl.readPixels(x, y, w, h, gl.RGBA, gl.UNSIGNED_BYTE, data);
      return data;
    };
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, null);
    const data = read((width - kSide) >> 1, (height - kSide) >> 1, kSide, kSide);
    const bands = [0.25, 0.5, 0.75].map((part) => read(0, Math.round(part * height) - (kBand >> 1), width, kBand));
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, bound);
    let [sum, edges, most, white, mark] = [0, 0, 0, 0, 0];
    for (const band of bands) for (let i = 0; i < band.length; i += 4) most = Math.max(most, band[i], band[i + 1], band[i + 2]);
    for (let i = 0; i < data.length; i += 4) {
      const value = Math.max(data[i], data[i + 1], data[i + 2]);
      sum += value;
      if (Math.min(data[i], data[i + 1], data[i + 2]) > 250) white++;
      if (i % (kSide * 4)) edges += Math.abs(value - Math.max(data[i - 4], data[i - 3], data[i - 2]));
      mark = (Math.imul(mark, 31) + data[i] * 65536 + data[i + 1] * 256 + data[i + 2]) | 0;
    }
    return { mean: sum / kSide ** 2, edges: edges / kSide / (kSide - 1), most, white, mark };
  };
  const tiles = () => requests.filter((r) => r.target.startsWith('img/'));
  const under = () => tiles().some((r) => !r.ended);
  // What a person waits for, by name.
  const wanted = {
    drawn: (now) => now && now.most > 12,
    settled: (now) => now && now.most > 12 && tiles().length > 0 && !under(),
    sharp: (now) => now && now.edges > 40,
    stepped: (now, before) => now.edges > 40 && Math.abs(now.mean - before.mean) > 25,
    changed: (now, before) => now.mark !== before.mark && !under(),
    object: (now, before) => now.white > 8 && now.mark !== before.mark,
    row: (_, __, text) => document.querySelector('.grid [aria-selected=true] [role=gridcell]')?.textContent === text,
    text: (_, __, [selector, text]) => [...document.querySelectorAll(selector)].some((e) => e.textContent.includes(text)),
    exists: (_, __, selector) => document.querySelector(selector) !== null,
  };
  // Milliseconds from the next event of this kind to the first frame that shows what is wanted, for each of `what`; null: not
  // within the limit. `blank`: how often there was no picture after there had been one.
  async function watch({ event, what, given, limit, pixels = true }) {
    delete at[event];
    const before = pixels ? look() : null;
    const end = performance.now() + limit;
    const out = { blank: 0 };
    for (;;) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      if (at[event] !== undefined) {
        const seen = pixels ? look() : null;
        if (out.drawn !== undefined && !(seen?.most > 12)) out.blank++;
        for (const name of what)
          if (out[name] === undefined && wanted[name](seen, before, given)) {
            out[name] = now - at[event];
            out[`${name}At`] = performance.timeOrigin + now;
          }
        if (what.every((name) => out[name] !== undefined)) return out;
      }
      if (now > end) return Object.assign(Object.fromEntries(what.map((name) => [name, null])), out);
    }
  }
  window.goals = { at, requests, tiles, under, look, watch };
}

let browser;
// A page with an empty cache.
async function visit(hash, size = {}) {
  const opened = await openPage(browser, size);
  const [name, value] = cookie.split(/=(.*)/s);
  await opened.context.addCookies([{ name, value, url: address }]);
  opened.page.setDefaultTimeout(kAction);
  await opened.page.addInitScript(instrument);
  await opened.page.goto(`${address}/${hash}`, { waitUntil: 'load' });
  opened.close = async () => {
    const all = await within(5000, 'what a page did wrong', opened.faults());
    violations += all.length;
    for (const one of all) console.error(`   on ${hash}: ${one}`);
    await within(10_000, 'closing a page', opened.context.close());
  };
  return opened;
}
const data = (folder) => `#/data?path=${encodeURIComponent(folder)}`;
const view = (image, more = '') => `#/view?path=${encodeURIComponent(image)}${more}`;

// watch() of the page while something is done.
async function timed(page, wanted, act) {
  const limit = wanted.limit ?? kAction;
  // It looks before anything is done.
  await page.evaluate((w) => { window.goals.watching = window.goals.watch(w); }, { limit, ...wanted });
  await act();
  const out = await within(limit + 5000, wanted.what.join(), page.evaluate(() => window.goals.watching));
  for (const name of wanted.what) if (out[name] === null) throw new Error(`${name}: not within ${limit / 1000} s`);
  return out;
}
async function quiet(page) {
  for (let i = 0; i < 100; i++) {
    if (!(await page.evaluate(() => window.goals.under()))) return;
    await pause(50);
  }
}

// A tile for each place and plane of a level.
async function dataset(image) {
  const response = await fetch(`${address}/api/dataset?path=${encodeURIComponent(image)}`, { headers: { Cookie: cookie } });
  if (!response.ok) throw new Error(`${image}: ${await response.text()}`);
  return response.json();
}
const tile = (d, level, channels, z, y, x) => `/img/${d.version}${encodeURI(d.path)}/${level}/0/${channels}/${z}/${y}/${x}`;

// bench_hub: the answer of a program that prints JSON.
let lists = 0;
async function load(targets, connections, rate, seconds, place = address, cookies = [cookie]) {
  const list = path.join(PLACE, `targets-${lists++}`);
  fs.writeFileSync(list, targets.join('\n') + '\n');
  const { stdout } = await run('bench_hub', ['viewers', new URL(place).port, cookies.join(), list, String(connections), String(rate), String(seconds)], { timeout: (seconds + 40) * 1000 });
  const out = JSON.parse(stdout);
  if (out.failed) throw new Error(`${out.failed} of ${out.requests} tiles did not come`);
  return out;
}

const worker = () => fs.readdirSync('/proc').find((pid) => {
  try {
    return /^\d+$/.test(pid) && fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('tierweb\0--worker\0') && fs.readFileSync(`/proc/${pid}/status`, 'latin1').includes(`\nPPid:\t${TIERWEB}\n`);
  } catch {
    return false;
  }
});
const bytesRead = () => Number(/rchar: (\d+)/.exec(fs.readFileSync(`/proc/${worker()}/io`, 'latin1'))[1]);
const sizeOf = (folder) => fs.readdirSync(folder, { withFileTypes: true, recursive: true }).reduce((sum, e) => sum + (e.isFile() ? fs.statSync(path.join(e.parentPath, e.name)).size : 0), 0);

async function clickToPixels() {
  const d = '/scan.ome.zarr';
  const first = [];
  const settled = [];
  for (const image of [...Array(15).fill(d), ...own.flatMap((o) => Array(2).fill(o))]) {
    const opened = await visit(data(path.dirname(image)));
    const link = opened.page.locator('.list-row', { hasText: path.basename(image) }).getByRole('link').first();
    await link.waitFor();
    await pause(500); // as a person who reads the list
    const out = await timed(opened.page, { event: 'click', what: ['drawn', 'settled'] }, () => link.click());
    first.push(out.drawn);
    settled.push(out.settled);
    await opened.close();
  }
  times('click to the first pixels of a hot image, empty browser cache', first, 1000);
  times('… to all pixels of the view', settled, 1000);
}

function tierd(method, target, body) {
  return new Promise((resolve, reject) => {
    const text = body ? JSON.stringify(body) : '';
    const request = http.request({ socketPath: SOCKET, method, path: target, timeout: 5000, headers: { Host: 'tierd', 'Content-Length': Buffer.byteLength(text) } }, (response) => {
      const parts = [];
      response.on('data', (p) => parts.push(p));
      response.on('end', () => resolve(JSON.parse(Buffer.concat(parts).toString())));
    });
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error('tierd does not answer')));
    request.end(text);
  });
}

// When all chunks behind these tiles of level 0 are on the SSD.
async function whenResident(image, z, tiles) {
  const files = [];
  for (const [x, y] of tiles) for (const c of [0, 1]) for (const dy of [0, 1]) for (const dx of [0, 1]) files.push({ path: `${image}/0/${c}/${Math.floor(z / 32)}/${2 * y + dy}/${2 * x + dx}`, ranges: [] });
  for (let i = 0; i < 2000; i++) {
    const asked = Date.now();
    const answer = await tierd('POST', '/v1/residency', { files });
    if (answer.files?.length === files.length && answer.files.every((f) => !f.error && f.resident >= f.size)) return (asked + Date.now()) / 2;
    await pause(10);
  }
  throw new Error('the data never came');
}

async function cold() {
  const coarse = [];
  const sharp = [];
  const all = [];
  let blank = 0;
  fs.writeFileSync(SPEED, 'rate 150000000\n');
  try {
    for (let i = 0; i < 8; i++) {
      const image = `/cold/${i}.ome.zarr`;
      const opened = await visit(data('/cold'));
      const link = opened.page.locator('.list-row', { hasText: path.basename(image) }).getByRole('link').first();
      await link.waitFor();
      // The link of the list, at full resolution, where sharp and coarse differ.
      await link.evaluate((a, hash) => { a.setAttribute('href', hash); }, view(image, '&z=16&at=1024,1024,0&ch=1:4f8bff:0:4000,1:35d07f:0:4000'));
      const waiting = timed(opened.page, { event: 'click', what: ['drawn', 'sharp'], limit: 30_000 }, () => link.click());
      waiting.catch(() => {});
      let tiles = [];
      for (let k = 0; k < 100 && !tiles.length; k++) {
        await pause(100);
        tiles = await opened.page.evaluate(() => [...new Set(window.goals.tiles().map((r) => /\/0\/0\/0,1\/16\/(\d+)\/(\d+)$/.exec(r.target)).filter(Boolean).map((m) => `${m[2]},${m[1]}`))]);
      }
      const resident = await whenResident(image, 16, tiles.map((t) => t.split(',').map(Number)));
      const out = await waiting;
      coarse.push(out.drawn);
      all.push(out.sharp);
      sharp.push(Math.max(0, out.sharpAt - resident));
      blank += out.blank;
      await opened.close();
    }
  } finally {
    fs.writeFileSync(SPEED, '');
  }
  times('cold, archive of 150 MB/s: click to a coarse picture', coarse, 1500);
  times('… from residency to the sharp picture', sharp, 300);
  times('… click to the sharp picture', all, null);
  row('… frames without a picture after the first one', String(blank), '', coarse.length, blank ? 'no' : 'yes');
}

async function zSteps(image, exact) {
  const opened = await visit(view(image, exact ? '&z=2&at=1024,1024,0&ch=1:4f8bff:0:4000,1:35d07f:0:4000' : '&z=0'));
  const { page } = opened;
  for (let i = 0; i < 100 && !(await page.evaluate(() => window.goals.look()?.most > 12 && !window.goals.under())); i++) await pause(100);
  await pause(500);
  const steps = [];
  const depth = await page.evaluate(() => Number(document.querySelector('input[aria-label=Plane]')?.max ?? 0));
  for (let i = 0; i < Math.min(depth - 3, exact ? 50 : 12); i++) {
    const out = await timed(page, { event: 'keydown', what: [exact ? 'stepped' : 'changed'], limit: 8000 }, () => page.keyboard.press('ArrowRight'));
    steps.push(exact ? out.stepped : out.changed);
    await quiet(page);
  }
  if (!exact) {
    await opened.close();
    return steps;
  }
  times('a step along z, to the sharp plane', steps, 150);
  // A scrub: each plane is passed after a frame or two. The next one in that way may be asked for ahead.
  const late = [];
  for (let round = 0; round < 5; round++) {
    await page.evaluate(() => {
      window.goals.requests.length = 0;
      const from = Number(document.querySelector('input[aria-label=Plane]').value);
      window.goals.left = () => {
        const z = Number(document.querySelector('input[aria-label=Plane]').value);
        const zOf = (r) => Number(r.target.split('/').at(-3));
        return window.goals.tiles().filter((r) => zOf(r) !== z && (zOf(r) - from) * (zOf(r) - z) <= 0);
      };
    });
    for (let k = 0; k < 20; k++) {
      await page.keyboard.press(round % 2 ? 'ArrowRight' : 'ArrowLeft');
      await pause(12);
    }
    await pause(100);
    late.push(...await page.evaluate(() => {
      const after = performance.now();
      return [window.goals.left().filter((r) => !r.ended || r.ended > after).length];
    }));
    await pause(400);
    late.push(...await page.evaluate(() => [window.goals.left().filter((r) => r.begun > window.goals.at.keydown + 100).length]));
    await quiet(page);
  }
  const most = Math.max(...late);
  row('requests for planes that were left, 100 ms after a scrub', String(part(late, 0.5)), String(part(late, 0.95)), late.length, most ? 'no' : 'yes');
  await opened.close();
  return steps;
}

async function ownSteps() {
  for (const image of own) {
    const { shape } = await dataset(image);
    if ((shape.z ?? 1) < 5) continue;
    times(`a step along z of ${path.basename(image)}, until nothing is asked for`, await zSteps(image, false), 150);
  }
}

async function workerRates() {
  const d = await dataset('/scan.ome.zarr');
  const read = bytesRead();
  const scrub = [];
  for (let z = 0; z < 64; z++) for (let y = 0; y < 4; y++) for (let x = 0; x < 4; x++) scrub.push(tile(d, 0, '0', z, y, x));
  const first = await load(scrub, 6, 0, 30);
  const chunks = sizeOf(`${MOUNT}/scan.ome.zarr/0/0`);
  const again = (bytesRead() - read) / chunks;
  const kept = [];
  for (let i = 0; i < 800; i++) kept.push(...scrub.slice(0, 16));
  const rates = [];
  for (let i = 0; i < 3; i++) rates.push((await load(kept, 6, 0, 3)).per_s);
  row('kept tiles of 512 KiB that a worker serves, through the front', `${part(rates, 0.5).toFixed(0)}/s`, '', rates.length, part(rates, 0.5) >= 1000 ? 'yes' : 'no');
  row('… out of 3-D chunks of zstd, plane by plane', `${first.per_s.toFixed(0)}/s`, '', first.requests, first.per_s >= 200 ? 'yes' : 'no');
  row('… how often it read each of these chunks', again.toFixed(2), '', 1, again < 1.1 ? 'yes' : 'no');
}

// By the form, as a browser does.
async function signInAs(user) {
  const response = await fetch(`${EVERYBODY}/login`, { method: 'POST', redirect: 'manual', body: `user=${user}&password=secret`, headers: { Origin: EVERYBODY, 'X-TierHub': '1', 'Content-Type': 'application/x-www-form-urlencoded' } });
  const given = response.headers.getSetCookie()[0]?.split(';')[0];
  if (!given) throw new Error(`${user} cannot sign in: status ${response.status}`);
  return given;
}

async function manyViewers() {
  const cookies = [];
  for (const one of people) cookies.push(await signInAs(one));
  const d = await dataset('/scan.ome.zarr');
  const targets = [];
  for (let viewer = 0; viewer < 200; viewer++) for (let z = 0; z < 64; z++) targets.push(tile(d, 0, '0', (z + 7 * viewer) % 64, viewer % 4, (viewer >> 2) % 4));
  // What a worker decodes for the first time costs it much; a view that lasts is about what follows.
  const first = targets.filter((_, i) => i % 64 === 0 || i % 64 === 32).slice(0, 2 * 16);
  for (const one of cookies) await load([...new Set(first)], 4, 0, 30, EVERYBODY, [one]);
  fs.writeFileSync(SPEED, 'rate 150000000\n');
  try {
    const prefetch = await tierd('POST', '/v1/prefetch', { paths: ['/stack.raw'] });
    const seconds = 8;
    const files = run('bench_hub', ['beside', `${MOUNT}/hot.raw`, NATIVE, String(seconds)], { timeout: 60_000 });
    const viewers = load(targets, 200, 1, seconds, EVERYBODY, cookies);
    const [{ stdout }, seen] = await Promise.all([files, viewers]);
    const after = await tierd('GET', `/v1/prefetch/${prefetch.id}`);
    const { rounds, ratio, a_mib_s: mount, b_mib_s: native } = JSON.parse(stdout);
    const state = after.state === 'running' ? '' : `, of which ended as ${after.state}`;
    row(`200 viewers of ${people.length} people, a tile of the next plane each second, while a prefetch and reads of files run${state}`, shown(seen.p50_ms, 'ms'), `${shown(seen.p95_ms, 'ms')} (p99 ${shown(seen.p99_ms, 'ms')})`, seen.requests, seen.p99_ms <= 100 && !state ? 'yes' : 'no');
    row(`… reads of a hot file, mount over native (${mount} and ${native} MiB/s)`, ratio.toFixed(2), '', rounds, ratio >= 0.95 ? 'yes' : 'no');
    await tierd('DELETE', `/v1/prefetch/${prefetch.id}`);
  } finally {
    fs.writeFileSync(SPEED, '');
  }
}

async function millionLabels() {
  const opened = await visit(view('/objects/image.ome.zarr', '&at=4100,4100,3&ch=1:4f8bff:0:60000&labels=/objects/labels.ome.zarr&table=/objects/objects.csv'));
  const { page } = opened;
  const begun = Date.now();
  await page.getByText(/^1,048,576 rows$/).waitFor({ timeout: 60_000 });
  row('1,048,576 labels: their table is read', shown(Date.now() - begun, 'ms'), '', 1, '');
  await quiet(page);
  const grid = page.locator('.grid');
  const toObject = [];
  const toRow = [];
  for (let i = 0; i < 20; i++) {
    await grid.evaluate((e, p) => { e.scrollTop = p * e.scrollHeight; }, ((i * 37) % 100 + 0.5) / 100);
    await pause(250);
    const wanted = grid.locator('.grid-row').nth(3);
    const out = await timed(page, { event: 'click', what: ['object'], limit: 8000 }, () => wanted.click({ timeout: 3000 }));
    toObject.push(out.object);
    await quiet(page);
    await pause(150);
    // The object beside it: two to the right.
    const number = Number(/[?&]object=(\d+)/.exec(await page.evaluate(() => window.location.hash))?.[1]);
    if (!number || (number - 1) % 1024 > 1000) continue;
    const box = await page.locator('.canvas').first().boundingBox();
    const back = await timed(page, { event: 'click', what: ['row'], given: String(number + 2), limit: 8000, pixels: false }, () => page.mouse.click(box.x + box.width / 2 + 2 * 8 * 8, box.y + box.height / 2));
    toRow.push(back.row);
  }
  times('… row to object', toObject, 100);
  times('… object to row', toRow, 100);
  await opened.close();
}

async function manyDatasets() {
  const opened = await visit(data('/'));
  const { page } = opened;
  const link = page.locator('.list-row', { hasText: /^many/ }).getByRole('link').first();
  await link.waitFor();
  const dom = { event: 'click', pixels: false };
  const first = await timed(page, { ...dom, what: ['text'], given: ['.datasets-foot', '10,000 names'], limit: 60_000 }, () => link.click());
  row('10,000 datasets: the folder is listed', shown(first.text, 'ms'), '', 1, '');
  await pause(3000); // images are told from files meanwhile
  const actions = [];
  const act = async (wanted, doing) => {
    const out = await timed(page, { pixels: false, what: ['text'], limit: 8000, ...wanted }, doing);
    actions.push(out.text);
    await pause(200);
  };
  const box = page.getByLabel('Filter names');
  const grid = page.getByRole('grid', { name: 'Names in this folder' });
  const names = fs.readdirSync(`${MOUNT}/many`).sort();
  for (let round = 0; round < 5; round++) {
    const some = names[1000 + 1700 * round];
    await box.focus();
    await act({ event: 'input', given: ['.list-row .row-title', some] }, () => page.keyboard.type(some.slice(0, 3)));
    await box.fill('');
    await pause(300);
    await act({ event: 'click', given: ['.list-head [aria-sort=descending]', 'Size'] }, () => page.getByRole('button', { name: 'Size' }).click());
    await act({ event: 'click', given: ['.list-head [aria-sort=ascending]', 'Name'] }, () => page.getByRole('button', { name: 'Name', exact: true }).click());
    await grid.focus();
    await act({ event: 'keydown', given: ['.list-row-active .row-title', names.at(-1)] }, () => page.keyboard.press('End'));
    await act({ event: 'keydown', given: ['.list-row-active .row-title', names[0]] }, () => page.keyboard.press('Home'));
    await act({ event: 'keydown', given: ['.list-row-active .row-title', names[1]] }, () => page.keyboard.press('ArrowDown'));
    await act({ event: 'keydown', given: ['.datasets-foot', '1 selected'] }, () => page.keyboard.press('Space'));
    await act({ event: 'keydown', given: ['.list-row-active .row-title', names[2]] }, () => page.keyboard.press('ArrowDown'));
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Space');
    await pause(200);
  }
  times('… filter, sort, move, select', actions, 200);
  await opened.close();
}

async function beside() {
  const opened = await visit('compare.html');
  const { page, context } = opened;
  const client = await context.newCDPSession(page);
  await client.send('Network.setCacheDisabled', { cacheDisabled: true });
  await page.evaluate(() => window.compare('/scan.ome.zarr', 16, 0)); // the worker has decoded what both ask for
  const { step, scrub } = await within(90_000, 'both sources', page.evaluate(() => window.compare('/scan.ome.zarr', 16, 3)));
  times('a plane of 4 tiles and 2 channels, its data at the layer: our source', step.ours, null);
  times("… Viv's Zarr source", step.viv, null);
  for (const [name, all] of [['our source', scrub.ours], ["Viv's Zarr source", scrub.viv]])
    row(`a scrub of 16 planes, to the last plane: ${name}`, shown(part(all.map((s) => s.ms), 0.5), 'ms'), `${part(all.map((s) => s.requests), 0.5)} answers, ${(part(all.map((s) => s.bytes), 0.5) / 2 ** 20).toFixed(0)} MiB`, all.length, '');
  const better = part(step.ours, 0.5) <= part(step.viv, 0.5);
  row("… no slower than Viv's", (part(step.viv, 0.5) / part(step.ours, 0.5)).toFixed(2), '', step.ours.length, better ? 'yes' : 'no');
  await opened.close();
}

async function search() {
  const opened = await visit(data('/'));
  const { page } = opened;
  const box = page.getByLabel('Filter names');
  await box.waitFor();
  const found = { many: [], one: [], none: [] };
  for (let i = 0; i < 12; i++) {
    for (const [kind, name, what, given] of [['many', `t0${i + 10}`, 'exists', '.find-hit'], ['one', `plate_00${900 + i}`, 'exists', '.find-hit'], ['none', `absent${i}`, 'text', ['.message', 'Nothing has this name']]]) {
      await page.goto(`${address}/${data('/')}`);
      await page.locator('.list-row').first().waitFor();
      await box.fill(name);
      await pause(100);
      const out = await timed(page, { event: 'keydown', what: [what], given, pixels: false, limit: 15_000 }, () => page.keyboard.press('Enter'));
      found[kind].push(out[what]);
    }
  }
  times('search in 1 million files: Enter to the first hits, a name of many', found.many, 300);
  times('… a name of one folder', found.one, 300);
  times('… that there is none', found.none, null);
  await opened.close();
}

async function signIn() {
  const response = await fetch(LINK, { redirect: 'manual' });
  cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  if (!cookie) throw new Error(`the link does not sign in: status ${response.status}`);
}

async function main(what) {
  await within(10_000, 'signing in', signIn());
  browser = await openBrowser();
  try {
    if (what === 'search') await measure('search in 1 million files', 90, search);
    else {
      await measure('click to hot pixels', 180, clickToPixels);
      await measure('cold images', 150, cold);
      await measure('steps along z', 90, () => zSteps('/scan.ome.zarr', true));
      if (own.length) await measure('steps along z of the images given', 60, ownSteps);
      await measure('tiles of a worker', 80, workerRates);
      await measure('200 viewers', 60, manyViewers);
      await measure('a million labels', 120, millionLabels);
      await measure('10,000 datasets', 120, manyDatasets);
      await measure("beside Viv's source", 120, beside);
    }
    row(`violations of the content security policy, errors of pages (${what})`, String(violations), '', 1, violations ? 'no' : 'yes');
  } finally {
    await within(10_000, 'closing the browser', browser.close()).catch(() => {});
  }
  return failed ? 1 : 0;
}

main(process.argv[2]).then((code) => process.exit(code), (e) => { console.error(e); process.exit(1); });
