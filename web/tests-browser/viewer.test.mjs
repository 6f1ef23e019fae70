// The viewer, in a browser, against the mock. Needs `npm run build` first.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { start } from '../mock/server.mjs';
import { openBrowser, openPage, statistics } from './browser.mjs';

const kPicture = { x: 200, y: 130, width: 560, height: 560 };
let browser;
before(async () => {
  browser = await openBrowser();
});
after(async () => browser?.close());

// A hub of its own for each test: what is cold in one must not be hot in another.
async function visit(t, hash, { width, ...options } = {}) {
  const hub = await start(options);
  const opened = await openPage(browser, { width });
  t.after(async () => {
    await opened.context.close();
    await hub.stop();
  });
  await opened.page.goto(`${hub.address}/${hash}`, { waitUntil: 'commit' });
  await opened.page.locator('canvas').waitFor({ state: 'attached' });
  return { ...opened, hub };
}

async function until(what, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await what();
    if (value) return value;
    assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`);
    await new Promise((later) => setTimeout(later, 50));
  }
}
const drawn = (page, least = 0.08) => until(async () => (await statistics(page, kPicture)).bright > least);
const tilesOf = (hub) => hub.log.filter((l) => l.path.startsWith('/img/'));
const settled = (hub) => until(() => tilesOf(hub).length > 0 && tilesOf(hub).every((l) => l.done || l.aborted));

test('an image is drawn with one request for each tile, whatever channels it has', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr');
  await drawn(page);
  await settled(hub);
  const paths = tilesOf(hub).map((l) => l.path);
  assert.equal(new Set(paths).size, paths.length, 'a tile was asked for twice');
  assert.ok(paths.every((p) => p.includes('/0/0,1/')), 'channels were asked for one by one');
  const { mean } = await statistics(page, kPicture);
  assert.ok(mean[0] > 8 && mean[2] > 8, `orange and blue: ${mean}`);
  assert.deepEqual(await faults(), []);
});

test('while tiles are cold the coarse level shows, words say so, and sharp tiles follow', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/brain42/scan-archive.ome.zarr', { coldMs: 5000 });
  await page.getByText(/coming from the archive, about \d s/i).waitFor();
  await drawn(page);
  await page.getByText(/coming from the archive/i).waitFor({ state: 'detached' });
  await settled(hub);
  const arrived = (level) => tilesOf(hub).find((l) => l.path.includes(`/${level}/0/0,1/`) && l.status === 200)?.done;
  assert.ok(arrived(2) + 3000 < arrived(1), 'the coarse level did not come long before the sharp one');
  const asked = tilesOf(hub).filter((l) => l.path.endsWith('/1/0/0,1/12/0/0')).map((l) => l.at);
  // Once a second; the last time when the rest of the ETA is over, however short that is.
  const early = asked.slice(1, -1).filter((at, i) => at - asked[i] <= 500);
  assert.ok(asked.length <= 8 && !early.length, `asked too often: ${asked}`);
  assert.deepEqual(await faults(), []);
});

test('planes that were scrubbed past are cancelled within 100 ms', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr&z=2', { delayMs: 600 });
  await drawn(page);
  for (let i = 0; i < 8; i++) await page.keyboard.press('ArrowRight');
  const last = Date.now();
  await page.getByText('11 / 24').waitFor();
  await drawn(page);
  await settled(hub);
  const left = tilesOf(hub).filter((l) => /\/0,1\/([3-9])\/\d+\/\d+$/.test(l.path));
  const late = left.filter((l) => !l.aborted && l.done > last + 700);
  assert.deepEqual(late.map((l) => l.path), [], 'a plane was loaded that nobody looked at');
  assert.deepEqual(await faults(), []);
});

test('channels, contrast and place are in the address, and an address brings them back', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr');
  await drawn(page);
  await page.keyboard.press('2');
  await until(async () => (await statistics(page, kPicture)).mean[0] < 9);
  const white = page.getByRole('slider', { name: 'DAPI: white at' });
  await white.fill('900');
  await page.getByRole('spinbutton', { name: 'DAPI: gamma' }).fill('0.5');
  await page.getByRole('textbox', { name: /^Go to a position/ }).fill('500, 700, 4');
  await page.keyboard.press('Enter');
  await page.getByText('4 / 24').waitFor();
  await until(() => /z=3&at=500,700,.*&ch=1:4f8bff:11\d:900:0.5,0:ff9d2e/.test(page.url()));
  await settled(hub);
  const before = await statistics(page, kPicture);
  const other = await openPage(browser);
  t.after(() => other.context.close());
  await other.page.goto(page.url(), { waitUntil: 'commit' });
  await other.page.locator('canvas').waitFor({ state: 'attached' });
  await until(async () => {
    const now = await statistics(other.page, kPicture);
    return now.mean.every((v, i) => Math.abs(v - before.mean[i]) < 1.5);
  });
  assert.deepEqual([...(await faults()), ...(await other.faults())], []);
});

test('labels are outlines over the image, values are under the pointer, a snapshot is a PNG', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr&at=600,600,0.5&ch=1:4f8bff:110:2850,0:ff9d2e');
  await drawn(page, 0.05);
  const plain = await statistics(page, kPicture);
  await page.keyboard.press('l');
  await until(() => /labels=nuclei/.test(page.url()));
  await until(async () => (await statistics(page, kPicture)).mean[0] > plain.mean[0] + 2);
  await page.mouse.move(500, 400);
  await page.getByText(/^x \d+ {2}y \d+ {2}\(.* µm\)$/).waitFor();
  await until(async () => /^\d+$/.test(await page.getByRole('status', { name: 'DAPI under the pointer' }).textContent()));
  const download = page.waitForEvent('download');
  await page.keyboard.press('s');
  const file = await download;
  assert.equal(file.suggestedFilename(), 'scan.ome.zarr_time1_plane13.png');
  const png = fs.readFileSync(await file.path());
  assert.deepEqual([...png.subarray(1, 4)], [...Buffer.from('PNG')]);
  assert.ok(png.length > 20_000, 'the snapshot is empty');
  await settled(hub);
  assert.deepEqual(await faults(), []);
});

test('an image that changes is opened again, and pixels that cannot be decoded say why', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr&z=2');
  await drawn(page);
  for (const i of hub.world.images) if (i.path.endsWith('/scan.ome.zarr')) i.version = 'changed';
  await page.keyboard.press('ArrowRight');
  await until(() => tilesOf(hub).some((l) => l.path.startsWith('/img/changed/') && l.done));
  await drawn(page);
  assert.match(page.url(), /z=3/);
  await page.goto(`${hub.address}/#/view?path=/brain42/scanner.czi`);
  await page.getByText('The JPEG XR compression of this file cannot be decoded: export it as OME-TIFF.').waitFor();
  assert.deepEqual(await faults(), []);
});

test('a film plays through time, and a telephone shows it all', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/brain42/timelapse.ome.tif', { width: 400 });
  await page.getByRole('button', { name: 'Play t' }).click();
  await until(async () => Number((await page.locator('.plane-text').textContent()).split(' ')[0]) >= 4);
  await page.getByRole('button', { name: 'Stop t' }).click();
  assert.equal(await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)), 400);
  await settled(hub);
  assert.deepEqual(await faults(), []);
});

test('the viewer and the description of an image are there when somebody clicks on its link', async (t) => {
  const hub = await start();
  const { page, context, faults } = await openPage(browser);
  t.after(async () => {
    await context.close();
    await hub.stop();
  });
  await page.goto(`${hub.address}/#/data?path=/brain42`, { waitUntil: 'commit' });
  const link = page.getByRole('link', { name: 'scan.ome.zarr', exact: true });
  await link.waitFor();
  const manifest = JSON.parse(fs.readFileSync(new URL('../dist/.vite/manifest.json', import.meta.url), 'utf8'));
  const script = manifest['src/viewer/page.tsx'].file;
  await until(() => page.evaluate((file) => performance.getEntriesByType('resource').some((r) => r.name.endsWith(file) && r.responseEnd > 0), script));
  const described = () => hub.log.filter((l) => l.path === '/api/dataset' || l.path.startsWith('/api/dataset?')).length;
  assert.equal(described(), 0, 'a list opens no image');
  await link.hover();
  await until(() => described() === 1);
  await page.route('**/*.js', (route) => route.abort());
  await link.click();
  await drawn(page);
  await settled(hub);
  assert.deepEqual(await faults(), []);
});
