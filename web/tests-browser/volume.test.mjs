// The 3-D view, in a browser, against the mock. Needs `npm run build` first.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { kBallId } from '../mock/images.mjs';
import { start } from '../mock/server.mjs';
import { openBrowser, openPage, statistics } from './browser.mjs';

const kLook = 'ch=1:ffffff:200:3000';
let browser;
before(async () => {
  browser = await openBrowser();
});
after(async () => browser?.close());

async function visit(t, hash, { width, height, scheme, ...options } = {}) {
  const hub = await start(options);
  const opened = await openPage(browser, { width, height, scheme });
  t.after(async () => {
    await opened.context.close();
    await hub.stop();
  });
  await opened.page.goto(`${hub.address}/${hash}`, { waitUntil: 'commit' });
  return { ...opened, hub };
}

async function until(what, ms = 30_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await what();
    if (value) return value;
    assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`);
    await new Promise((later) => setTimeout(later, 100));
  }
}

// How bright the quarters of the picture are: [upper left, upper right, lower left, lower right].
async function quarters(page) {
  const box = await page.locator('.canvas').boundingBox();
  const side = Math.min(box.width, box.height) * 0.4;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const one = async (left, top) => (await statistics(page, { x: x + left * side, y: y + top * side, width: side, height: side }, 120)).bright;
  return [await one(-1, -1), await one(0, -1), await one(-1, 0), await one(0, 0)];
}
const settled = (page) => page.getByText('Loading the volume').waitFor({ state: 'detached' });
// Waits for the ball in one quarter, and none of it in the others.
const ballIn = (page, at) => until(async () => {
  const all = await quarters(page);
  return all[at] > 0.02 && all.every((n, i) => i === at || n < 0.004);
});

test('a bright ball is where it is in the volume, and goes where one turns it', async (t) => {
  const { page, hub, faults } = await visit(t, `#/view?path=/volumes/ball.ome.zarr&${kLook}&vol=max,0,0,0`);
  await page.getByText('96 × 96 × 32 voxels').waitFor();
  await page.getByLabel(/^Scale bar in the middle of the view: \d+ /).waitFor();
  await settled(page);
  await ballIn(page, 1);
  await page.locator('main').focus();
  await page.keyboard.press('Shift+ArrowRight');
  await until(() => /vol=max,90,0,0/.test(page.url()));
  await ballIn(page, 1); // it was in front, and the front has come to the right
  await page.keyboard.press('Shift+ArrowRight');
  await ballIn(page, 0);
  const box = await page.locator('.canvas').boundingBox();
  await page.mouse.move(box.x + 300, box.y + 300);
  await page.mouse.down();
  await page.mouse.move(box.x + 420, box.y + 300, { steps: 3 });
  await page.mouse.up();
  await until(() => !/vol=max,-?180,0,0/.test(page.url()));
  // One request for each plane.
  assert.equal(hub.log.filter((l) => l.path.startsWith('/img/') && /\/0\/0\/0\/\d+\/0\/0$/.test(l.path)).length, 32);
  assert.deepEqual(await faults(), []);
});

test('the minimum of a ball in the dark is dark, added light is bright, and the address has it all', async (t) => {
  const { page, faults } = await visit(t, `#/view?path=/volumes/ball.ome.zarr&${kLook}&vol=min,0,0,0`);
  await settled(page);
  await until(async () => (await quarters(page)).every((n) => n < 0.004));
  await page.getByRole('combobox', { name: 'What a ray shows' }).selectOption('add');
  await until(() => /vol=add,0,0,0/.test(page.url()));
  await ballIn(page, 1);
  await page.getByRole('button', { name: 'Zoom in' }).click();
  await until(() => /vol=add,0,0,1/.test(page.url()));
  await page.getByRole('button', { name: 'Reset the angle' }).click();
  await until(() => /vol=add,-30,20,0/.test(page.url()));
  assert.deepEqual(await faults(), []);
});

test('contrast, colour and visibility are those of the channels', async (t) => {
  const { page, faults } = await visit(t, '#/view?path=/volumes/ball.ome.zarr&ch=1:ff0000:200:3000&vol=max,0,0,0');
  await settled(page);
  await ballIn(page, 1);
  const box = await page.locator('.canvas').boundingBox();
  const clip = { x: box.x + box.width / 2, y: box.y, width: box.width / 4, height: box.height / 2 };
  const red = await statistics(page, clip, 200);
  assert.ok(red.bright > 0.01 && red.mean[0] > 5 && red.mean[1] < red.mean[0] / 5, `not red: ${red.mean}`);
  await page.getByRole('slider', { name: 'Ball: white at' }).fill('4000');
  await page.getByRole('slider', { name: 'Ball: black at' }).fill('3999');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Show Ball' }).click();
  await page.getByText('No channel is shown.').waitFor();
  assert.deepEqual(await faults(), []);
});

test('a volume in the archive says what it costs, is fetched when one agrees, and can be cancelled', async (t) => {
  const { page, hub, faults } = await visit(t, `#/view?path=/volumes/ball-archive.ome.zarr&${kLook}&vol=max,0,0,0`, { coldMs: 2500 });
  await page.getByText(/^About 317 KiB of this volume are in the archive; how long that takes is not known yet\.$/).waitFor();
  const asked = () => hub.log.filter((l) => l.path.startsWith('/img/')).length;
  assert.equal(asked(), 0, 'it was fetched before anybody agreed');
  await page.keyboard.press('Enter'); // the button has the focus
  await page.getByText(/^Coming from the archive, about \d s: /).waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText(/^Only 0 B of 576 KiB are shown$/).waitFor();
  const then = asked();
  await page.waitForTimeout(1500);
  assert.equal(asked(), then, 'it went on after it was cancelled');
  await page.getByRole('button', { name: 'Load the rest' }).click();
  await ballIn(page, 1);
  await page.getByText('Coming from the archive').waitFor({ state: 'detached' });
  assert.deepEqual(await faults(), []);
});

test('V enters and leaves, a snapshot has no scale bar, and a telephone shows it all', async (t) => {
  const { page, faults } = await visit(t, `#/view?path=/volumes/ball.ome.zarr&${kLook}`, { width: 400, scheme: 'dark' });
  await page.getByLabel(/^Scale bar: /).waitFor();
  await page.keyboard.press('v');
  await until(() => /vol=max,-30,20,0/.test(page.url()));
  await settled(page);
  // In perspective it is true in the middle alone.
  await page.getByLabel(/^Scale bar in the middle of the view: /).waitFor();
  assert.equal(await page.getByLabel(/^Scale bar: /).count(), 0);
  assert.equal(await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)), 400);
  const download = page.waitForEvent('download');
  await page.keyboard.press('s');
  const file = await download;
  assert.equal(file.suggestedFilename(), 'ball.ome.zarr_time1_3d.png');
  assert.ok(fs.statSync(await file.path()).size > 500, 'the snapshot is empty');
  await page.keyboard.press('v');
  await page.getByLabel(/^Scale bar: /).waitFor();
  assert.deepEqual(await faults(), []);
});

// The colour of an object, as src/viewer/label-hue.ts has it.
function hueOf(id) {
  let h = Math.imul(id, 2654435761) >>> 0;
  h = (h ^ (h >>> 15)) >>> 0;
  const a = (h & 1023) / 1023;
  return [0, 2 / 3, 1 / 3].map((n) => 0.7 * Math.min(1, Math.max(0, Math.abs(((a + n) % 1) * 6 - 3) - 1)) + 0.3);
}

const kDark = 'ch=1:ffffff:4998:4999'; // nothing of the volume is bright enough

test('labels are in the volume where their object is, in its colour; a chosen one is white, an empty one an outline', async (t) => {
  const look = (object = '') => `#/view?path=/volumes/ball.ome.zarr&${kDark}&labels=ball&vol=max,0,0,0${object}`;
  const { page, hub, faults } = await visit(t, look(), { width: 760, height: 460 }); // every pixel is a ray
  await settled(page);
  const fill = page.getByLabel('How much labels are filled');
  await fill.fill('0.8');
  await ballIn(page, 1);
  const box = await page.locator('.canvas').boundingBox();
  const clip = { x: box.x + box.width / 2, y: box.y, width: box.width / 4, height: box.height / 2 };
  const [red, green, blue] = hueOf(kBallId);
  const filled = await statistics(page, clip);
  const sum = filled.mean[0] + filled.mean[1] + filled.mean[2];
  assert.ok([red, green, blue].every((n, i) => Math.abs(n / (red + green + blue) - filled.mean[i] / sum) < 0.04), `another colour: ${filled.mean}`);
  // Each plane is asked for once.
  assert.equal(hub.log.filter((l) => l.path.includes('/labels/ball/0/')).length, 32);
  await fill.fill('0');
  await until(async () => {
    const { bright } = await statistics(page, clip);
    return bright > 0.1 * filled.bright && bright < 0.8 * filled.bright;
  });
  await page.locator('main').focus();
  await page.keyboard.press('l');
  await until(async () => (await statistics(page, clip)).bright === 0);
  await page.goto(`${hub.address}/${look(`&object=${kBallId}`)}`);
  await until(async () => {
    const { mean, bright } = await statistics(page, clip);
    return bright > 0.01 && Math.max(...mean) - Math.min(...mean) < 1;
  });
  assert.deepEqual(await faults(), []);
});
