// Times of the browser hub, as a table. Started by hub.sh:
//   LINK   what tierweb printed        MOUNT  of the tier
//   NATIVE a file like MOUNT/native/hot on the disk itself
//   FILES  how many files are below /files
import fs from 'node:fs';
import http from 'node:http';
import { openBrowser, openPage } from '../web/tests-browser/browser.mjs';

const { LINK, MOUNT, NATIVE } = process.env;
const address = new URL(LINK).origin;
const rows = [];
const quantile = (times, part) => [...times].sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * part))];
const row = (what, goal, times, unit = 'ms') =>
  rows.push(`| ${what} | ${goal} | ${quantile(times, 0.5).toFixed(0)} ${unit} | ${quantile(times, 0.95).toFixed(0)} ${unit} | ${times.length} |`);

const browser = await openBrowser();
const { page, faults } = await openPage(browser);
let pending = 0;
let last = 0;
let tiles = 0;
const isTile = (request) => request.url().includes('/img/');
page.on('request', (r) => { if (isTile(r)) pending += 1; });
const ended = (r) => { if (isTile(r)) { pending -= 1; tiles += 1; last = performance.now(); } };
page.on('requestfinished', ended);
page.on('requestfailed', ended);

// Milliseconds from `act` until no tile has been on its way for a while.
async function untilTiles(act, quiet = 250) {
  const begin = performance.now();
  const before = tiles;
  await act();
  while (tiles === before || pending > 0 || performance.now() - last < quiet) {
    if (performance.now() - begin > 30_000) throw new Error('no tiles in 30 s');
    await new Promise((later) => setTimeout(later, 5));
  }
  return last - begin;
}
const view = (path, more = '') => `${address}/#/view?path=${encodeURIComponent(path)}${more}`;
const empty = async () => { await page.goto(`${address}/#/system`); await page.waitForTimeout(300); };

await page.goto(LINK);
await page.waitForTimeout(1500);

// A new browser context has an empty cache: each opens the image for the first time.
const clicks = [];
for (let i = 0; i < 12; ++i) {
  const cookies = await page.context().cookies();
  const other = await openPage(browser);
  await other.context.addCookies(cookies);
  let done = 0;
  let open = 0;
  other.page.on('request', (r) => { if (isTile(r)) open += 1; });
  other.page.on('requestfinished', (r) => { if (isTile(r)) { open -= 1; done = performance.now(); } });
  await other.page.goto(`${address}/#/data?path=%2Flab`);
  await other.page.locator('.list-row', { hasText: 'scan.ome.zarr' }).waitFor();
  const begin = performance.now();
  await other.page.locator('.list-row', { hasText: 'scan.ome.zarr' }).getByRole('link').first().click();
  while (!done || open > 0 || performance.now() - done < 250) await new Promise((later) => setTimeout(later, 5));
  clicks.push(done - begin);
  await other.context.close();
}
row('from the click to all hot tiles, empty cache', '<= 1,000 ms p95', clicks);

await untilTiles(() => page.goto(view('/lab/scan.ome.zarr', '&z=0')));
const steps = [];
await page.locator('canvas').first().waitFor({ state: 'attached' });
for (let z = 1; z < 24; ++z) steps.push(await untilTiles(() => page.keyboard.press('ArrowRight'), 120));
row('z step, tiles of the next plane', '<= 150 ms p95', steps);
await empty();

const many = [];
for (let i = 0; i < 5; ++i) {
  await empty();
  const begin = performance.now();
  await page.goto(`${address}/#/data?path=%2Flab%2Fmany`);
  await page.getByText('well_00003.ome.tif').first().waitFor();
  many.push(performance.now() - begin);
}
row('a folder of 10,000 images, until its first rows', '<= 200 ms', many);
const filters = [];
for (const text of ['00042', '09', '1234', 'well_099']) {
  const begin = performance.now();
  await page.getByRole('searchbox').first().fill(text);
  await page.getByText(text === '09' ? 'well_00009.ome.tif' : `${text.startsWith('well') ? text : `well_${text.padStart(5, '0')}`}`.slice(0, 10)).first().waitFor();
  filters.push(performance.now() - begin);
}
row('filtering 10,000 images', '<= 200 ms', filters);

const cookie = (await page.context().cookies()).map((c) => `${c.name}=${c.value}`).join('; ');
const agent = new http.Agent({ keepAlive: true, maxSockets: 200 });
function ask(target) {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    http.get(`${address}${target}`, { agent, headers: { cookie } }, (answer) => {
      const pieces = [];
      answer.on('data', (d) => pieces.push(d));
      answer.on('end', () => resolve({ status: answer.statusCode, ms: performance.now() - begin, body: Buffer.concat(pieces) }));
    }).on('error', reject);
  });
}
if (Number(process.env.FILES) > 0) {
  const finds = [];
  for (const name of ['0123456', 'frame_0999', '77777', '*_0500000.tif']) finds.push((await ask(`/api/v1/find?path=%2F&name=${encodeURIComponent(name)}`)).ms);
  row(`search in ${Number(process.env.FILES).toLocaleString('en')} files, first answer`, '<= 300 ms', finds);
}

// 200 viewers, a tile a second each, while a prefetch runs; hot reads of the mount beside the disk's, in turns.
const dataset = JSON.parse((await ask('/api/dataset?path=%2Flab%2Fscan.ome.zarr')).body);
const stop = Date.now() + 20_000;
const times = [];
let failed = 0;
const post = http.request(`${address}/api/v1/prefetch`, { method: 'POST', headers: { cookie, origin: address, 'x-tierhub': '1', 'content-type': 'application/json' } });
post.end(JSON.stringify({ paths: ['/lab/scan.ome.tif', '/lab/many'] }));
async function viewer(n) {
  await new Promise((later) => setTimeout(later, (n * 1000) / 200));
  for (let i = 0; Date.now() < stop; ++i) {
    const begin = Date.now();
    const answer = await ask(`/img/${dataset.version}/lab/scan.ome.zarr/0/0/0/${(n + i) % 24}/${n % 4}/${(n >> 2) % 4}`);
    if (answer.status === 200) times.push(answer.ms);
    else failed += 1;
    await new Promise((later) => setTimeout(later, Math.max(0, 1000 - (Date.now() - begin))));
  }
}
const block = Buffer.alloc(4 << 20);
async function read(path) {
  const file = await fs.promises.open(path);
  const begin = performance.now();
  for (let at = 0; at < 64 << 20; at += block.length) await file.read(block, 0, block.length, at);
  await file.close();
  return performance.now() - begin;
}
const ratios = [];
async function reader() {
  while (Date.now() < stop) {
    const [ours, theirs] = [await read(`${MOUNT}/native/hot`), await read(NATIVE)];
    ratios.push(theirs / ours);
    await new Promise((later) => setTimeout(later, 300));
  }
}
await Promise.all([...Array.from({ length: 200 }, (_, n) => viewer(n)), reader()]);
rows.push(`| 200 viewers, a tile of 512 KiB a second each (${failed} failed) | p99 <= 100 ms | ${quantile(times, 0.5).toFixed(0)} ms | p99 ${quantile(times, 0.99).toFixed(0)} ms | ${times.length} |`);
rows.push(`| hot reads of the mount meanwhile, native over ours | >= 0.95 | ${quantile(ratios, 0.5).toFixed(2)} | | ${ratios.length} |`);

const wrong = await faults();
rows.push(`| violations of the page's policy, errors | 0 | ${wrong.length} | | |`);
console.log('\n| what | goal | median | p95 | times |\n|---|---|---|---|---|');
console.log(rows.join('\n'));
for (const one of wrong) console.log(one);
agent.destroy();
await browser.close();
