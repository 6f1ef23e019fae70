// The viewer without WebGL, in a browser, against the mock. Needs `npm run build` first.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { start } from '../mock/server.mjs';
import { openBrowser, openPage, statistics, withoutWebGl } from './browser.mjs';

const kPicture = { x: 200, y: 130, width: 560, height: 560 };
let browser;
before(async () => {
  browser = await openBrowser();
});
after(async () => browser?.close());

async function visit(t, hash, { width, scheme, ...options } = {}) {
  const hub = await start(options);
  const opened = await openPage(browser, { width, scheme });
  t.after(async () => {
    await opened.context.close();
    await hub.stop();
  });
  await withoutWebGl(opened.page);
  await opened.page.goto(`${hub.address}/${hash}`, { waitUntil: 'commit' });
  await opened.page.locator('canvas').first().waitFor({ state: 'attached' });
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
const pictures = (hub) => hub.log.filter((l) => l.path.startsWith('/png/'));
const settled = (hub) => until(() => pictures(hub).length > 0 && pictures(hub).every((l) => l.done || l.aborted));

test('a picture is drawn out of tiles that the hub renders, and the page says what needs WebGL', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr&labels=nuclei&vol=max&proj=max,0,5');
  await drawn(page);
  await settled(hub);
  const { mean } = await statistics(page, kPicture);
  assert.ok(mean[0] > 8 && mean[2] > 8, `orange and blue: ${mean}`);
  await page.getByText(/^This browser has no WebGL 2, so the hub renders the picture; projections, 3-D and outlines of labels need it: /).waitFor();
  assert.equal(await page.getByRole('button', { name: '3-D' }).count(), 0);
  assert.equal(await page.getByRole('combobox', { name: 'Projection' }).count(), 0);
  assert.ok(!pictures(hub).some((l) => l.path.includes('65535')), 'pictures were rendered before the contrast was known');
  assert.ok(pictures(hub).every((l) => /c=0,1&colors=4f8bff,ff9d2e&min=\d+,\d+&max=\d+,\d+&gamma=1,1$/.test(l.path)), pictures(hub)[0].path);
  assert.deepEqual(await faults(), []);
});

test('pixels are where they are in the image, whatever the zoom', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/volumes/ball.ome.zarr&z=6&ch=1:ff0000:200:3000&at=48,48,2.5');
  const box = await page.locator('.canvas').boundingBox();
  const scale = 2 ** 2.5;
  const middle = { x: box.x + box.width / 2 + (72 - 48) * scale, y: box.y + box.height / 2 + (28.8 - 48) * scale };
  const round = (side, dx = 0, dy = 0) => statistics(page, { x: middle.x + dx - side / 2, y: middle.y + dy - side / 2, width: side, height: side }, 200);
  await until(async () => (await round(30)).bright > 0.99);
  const { mean } = await round(30);
  assert.ok(mean[0] > 250 && mean[1] < 5 && mean[2] < 5, `not red: ${mean}`);
  assert.equal((await round(40, 12 * scale + 30)).bright, 0);
  assert.equal((await round(40, 0, -12 * scale - 30)).bright, 0);
  await page.locator('main').focus();
  await page.keyboard.press('Control+ArrowRight'); // the picture moves to the left by a quarter of what is seen
  await until(async () => (await round(30, -box.width / 4)).bright > 0.99 && (await round(30)).bright === 0);
  await page.mouse.move(box.x + 100, box.y + 100);
  await page.mouse.down();
  await page.mouse.move(box.x + 100 + box.width / 4, box.y + 100, { steps: 4 });
  await page.mouse.up();
  await until(async () => (await round(20)).bright > 0.99);
  await page.mouse.move(middle.x, middle.y);
  await until(async () => (await page.getByRole('status', { name: 'Ball under the pointer' }).textContent()) === '4000');
  await settled(hub);
  assert.deepEqual(await faults(), []);
});

test('planes, channels, contrast and place are as with WebGL', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr');
  await drawn(page);
  await page.keyboard.press('ArrowRight');
  await page.getByText('14 / 24').waitFor();
  await until(() => pictures(hub).some((l) => /\/0\/13\/\d\/\d\?/.test(l.path) && l.done));
  await page.keyboard.press('2');
  await until(async () => (await statistics(page, kPicture)).mean[0] < 9);
  await page.getByRole('slider', { name: 'DAPI: white at' }).fill('900');
  await until(() => pictures(hub).some((l) => /c=0&colors=4f8bff&min=11\d&max=900&gamma=1$/.test(l.path) && l.done));
  await page.getByRole('textbox', { name: /^Go to a position/ }).fill('500, 700, 4');
  await page.keyboard.press('Enter');
  await page.getByText('4 / 24').waitFor();
  await until(() => /z=3&at=500,700,/.test(page.url()));
  await page.getByLabel(/^Scale bar: /).waitFor();
  await page.getByRole('button', { name: 'Zoom in' }).focus();
  await page.keyboard.press('Enter');
  await drawn(page, 0.05);
  await settled(hub);
  const download = page.waitForEvent('download');
  await page.keyboard.press('s');
  const file = await download;
  assert.equal(file.suggestedFilename(), 'scan.ome.zarr_time1_plane4.png');
  assert.ok(fs.statSync(await file.path()).size > 20_000, 'the snapshot is empty');
  assert.deepEqual(await faults(), []);
});

test('while tiles are cold the coarse level shows, words say so, and sharp tiles follow', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/brain42/scan-archive.ome.zarr', { coldMs: 4000 });
  await page.getByText(/coming from the archive, about \d s/i).waitFor();
  await drawn(page);
  await page.getByText(/coming from the archive/i).waitFor({ state: 'detached' });
  await settled(hub);
  const arrived = (level) => pictures(hub).find((l) => l.path.includes(`/${level}/0/12/`) && l.status === 200)?.done;
  assert.ok(arrived(2) + 2000 < arrived(1), 'the coarse level did not come long before the sharp one');
  const counts = new Map();
  for (const { path } of pictures(hub)) counts.set(path, (counts.get(path) ?? 0) + 1);
  assert.ok(Math.max(...counts.values()) <= 8, 'asked too often');
  assert.deepEqual(await faults(), []);
});

test('slices and a telephone work, too', async (t) => {
  const { page, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr&slices=1', { width: 400, scheme: 'dark' });
  await page.getByRole('img', { name: /^Slice x-z/ }).waitFor();
  await page.getByText('Single planes only: there is no WebGL').waitFor();
  assert.equal(await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)), 400);
  assert.deepEqual(await faults(), []);
});
