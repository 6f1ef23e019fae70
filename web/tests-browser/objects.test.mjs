// Measuring in the viewer, projections, and the objects of a run over their image. Needs `npm run build` first.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { partLabelAt } from '../mock/images.mjs';
import { start } from '../mock/server.mjs';
import { jobRuns } from '../mock/workflows.mjs';
import { openBrowser, openPage, pixelAt, statistics } from './browser.mjs';

const kPicture = { x: 200, y: 130, width: 560, height: 240 };
let browser;
before(async () => {
  browser = await openBrowser();
});
after(async () => browser?.close());

async function visit(t, hash, { width, ...options } = {}) {
  const hub = await start(options);
  const opened = await openPage(browser, { width });
  t.after(async () => {
    await opened.context.close();
    await hub.stop();
  });
  const run = options.ran ? jobRuns(hub.world, {})[0].run : '';
  await opened.page.goto(`${hub.address}/${hash.replace('RUN', run)}`, { waitUntil: 'commit' });
  return { ...opened, hub, run };
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
async function drawn(page, least = 0.05) {
  await page.locator('canvas').waitFor({ state: 'attached' });
  await page.waitForTimeout(200);
  await until(async () => (await statistics(page, kPicture)).bright > least);
}

test('a row leads to its object, and an object to its row', async (t) => {
  const { page, faults } = await visit(t, '#/runs?run=RUN', { ran: true });
  await page.getByRole('grid', { name: 'nuclei.csv' }).waitFor();
  await page.getByRole('row', { name: /scan\.ome\.zarr/ }).nth(2).click();
  await page.getByRole('link', { name: /^Show object \d+ in the image/ }).click();
  await page.locator('canvas').waitFor({ state: 'attached' });
  const grid = page.getByRole('grid', { name: 'nuclei.csv' });
  const first = Number(/object=(\d+)/.exec(page.url())[1]);
  await until(() => /&at=[\d.,]+.*&labels=\/results\/.*&table=\/results\/.*&object=/.test(page.url()));
  await page.getByText(`Object ${first} is chosen.`).waitFor();
  await drawn(page);
  // The chosen object is in the middle of the picture, with a white outline around it.
  const box = await page.locator('canvas').first().boundingBox();
  await until(async () => {
    const { mean } = await statistics(page, { x: box.x + box.width / 2 - 60, y: box.y + box.height / 2 - 60, width: 120, height: 120 });
    return Math.min(...mean) > 30;
  });
  // Another row: the picture goes there.
  const before = page.url();
  await grid.focus();
  await page.keyboard.press('ArrowDown');
  await until(() => page.url() !== before && !page.url().includes(`object=${first}`));
  const second = Number(await until(() => /object=(\d+)/.exec(page.url())?.[1]));
  const selected = async () => Number(await grid.locator('[aria-selected="true"]').getByRole('gridcell').nth(3).textContent());
  assert.equal(await selected(), second);
  // A click on the object below the pointer selects its row; beside all objects, none.
  await grid.focus();
  await page.keyboard.press('End');
  const last = Number(await until(() => /object=(\d+)/.exec(page.url())?.[1] !== String(second) && /object=(\d+)/.exec(page.url())?.[1]));
  await page.keyboard.press('Escape');
  await until(() => !page.url().includes('object='));
  await until(async () => {
    await page.mouse.move(box.x + box.width / 2 + 1, box.y + box.height / 2);
    return (await page.getByRole('status', { name: 'Position under the pointer' }).textContent()).includes(`object ${last}`);
  });
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await until(() => page.url().includes(`object=${last}`));
  assert.equal(await selected(), last);
  assert.deepEqual(await faults(), []);
});

test('labels of a run are shown over their image', async (t) => {
  const { page, faults } = await visit(t, '#/runs?run=RUN', { ran: true, width: 400 });
  await page.getByRole('link', { name: 'Show over the image' }).click();
  await page.locator('canvas').waitFor({ state: 'attached' });
  await page.getByRole('grid', { name: 'nuclei.csv' }).waitFor();
  await page.getByRole('button', { name: 'Hide the table' }).click();
  await page.getByRole('grid', { name: 'nuclei.csv' }).waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)), 400);
  await page.getByRole('button', { name: 'Close the table' }).click();
  await until(() => !page.url().includes('table='));
  assert.deepEqual(await faults(), []);
});

test('labels that are gone say so', async (t) => {
  const { page, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr&labels=/results/gone.zarr&table=/results/gone.csv');
  await page.getByText('The labels /results/gone.zarr cannot be shown').waitFor();
  await page.getByText('There is no /results/gone.csv.').waitFor();
  assert.deepEqual(await faults(), []);
});

test('a line is measured with two clicks, and has a profile', async (t) => {
  const { page, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr&at=600,600,0');
  await drawn(page);
  await page.keyboard.press('m');
  await page.getByText('Click where the line begins').waitFor();
  const box = await page.locator('canvas').first().boundingBox();
  const [x, y] = [Math.round(box.x + 200), Math.round(box.y + 200)];
  await page.mouse.click(x, y);
  await page.mouse.move(x + 100, y);
  await page.getByText('32.5 µm (100 px)').first().waitFor();
  await page.mouse.click(x + 200, y);
  await page.getByRole('region', { name: 'Line profile' }).getByText('65 µm (200 px)').waitFor();
  await page.getByRole('img', { name: /^Values along the line, \d+ to \d+/ }).waitFor();
  await until(() => /line=[\d.]+,[\d.]+,[\d.]+,[\d.]+/.test(page.url()));
  const ends = page.getByRole('textbox', { name: /^Ends of the line/ });
  await ends.fill('100, 100, 140, 130');
  await page.keyboard.press('Enter');
  await page.getByText('16.3 µm (50 px)').first().waitFor();
  await page.getByRole('button', { name: 'Remove the line' }).click();
  await until(() => !page.url().includes('line='));
  assert.deepEqual(await faults(), []);
});

test('a projection shows what no single plane has, at what its budget allows', async (t) => {
  const { page, hub, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr&z=0&ch=1:4f8bff:110:2850,0');
  await drawn(page, 0.01);
  const one = await statistics(page, kPicture);
  await page.getByRole('combobox', { name: 'Projection' }).selectOption('max');
  await page.getByText('maximum of 24 planes').waitFor();
  await until(async () => (await statistics(page, kPicture)).mean[2] > 1.5 * one.mean[2]);
  await page.getByRole('spinbutton', { name: 'Last plane of the projection' }).fill('3');
  await page.getByText('maximum of 3 planes').waitFor();
  await until(() => /proj=max,0,2/.test(page.url()));
  await page.keyboard.press('Tab');
  await page.locator('main').focus();
  await page.keyboard.press('x');
  await page.getByText('mean of 3 planes').waitFor();
  await page.keyboard.press('x');
  await until(() => !page.url().includes('proj='));
  const twice = hub.log.filter((l) => l.path.startsWith('/img/') && l.status === 200).map((l) => l.path);
  assert.equal(new Set(twice).size, twice.length, 'a tile was asked for twice');
  // Zoomed in, all planes of the finest level would be too many bytes.
  await page.goto(`${hub.address}/#/view?path=/brain42/scan.ome.zarr&at=600,600,0&proj=max,0,23`);
  await page.getByText('at 1/2 of the resolution').waitFor();
  await until(async () => Math.max(...(await pixelAt(page, 500, 350))) >= 0 && (await statistics(page, kPicture)).bright > 0.05);
  assert.ok(!hub.log.some((l) => l.path.includes('/scan.ome.zarr/0/0/0,1/')), 'the finest level was loaded');
  assert.deepEqual(await faults(), []);
});

test('slices across the planes follow the picture, and a click in one goes to its place', async (t) => {
  const { page, faults } = await visit(t, '#/view?path=/brain42/scan.ome.zarr&z=3&at=600,600,0');
  await drawn(page);
  await page.locator('main').focus();
  await page.keyboard.press('o');
  const slice = page.getByRole('img', { name: 'Slice x-z at y 600' });
  await slice.waitFor();
  await page.getByText(/^\d+ of 24 planes$/).waitFor({ state: 'detached' });
  const box = await slice.boundingBox();
  assert.ok((await statistics(page, box)).bright > 0.02, 'the slice is empty');
  await page.mouse.click(box.x + box.width / 2, box.y + box.height - 2);
  await page.getByText('24 / 24').waitFor();
  await until(() => /z=23&at=102\d(\.\d)?,600,0&slices=1/.test(page.url()));
  await page.getByRole('button', { name: 'Close the slices' }).click();
  await slice.waitFor({ state: 'detached' });
  // The whole image: the picture has no camera of its own.
  await page.goto(page.url().replace(/#.*/, '#/view?path=/brain42/overview.ome.zarr&slices=1'));
  await page.getByRole('img', { name: 'Slice y-z at x 640' }).waitFor();
  assert.deepEqual(await faults(), []);
});

// A pixel of the middle of an object at a time point, inside a part of the image.
function objectIn({ part, from, to }) {
  for (let y = from[1]; y < to[1]; y += 4)
    for (let x = from[0]; x < to[0]; x += 4) {
      const at = (dx, dy) => partLabelAt({ part, shape: { z: 1 } }, ((x + dx) / 2 ** part.level) - part.x, ((y + dy) / 2 ** part.level) - part.y);
      const id = at(0, 0);
      if (id && [[-8, 0], [8, 0], [0, -8], [0, 8]].every(([dx, dy]) => at(dx, dy) === id)) return { x, y, id };
    }
  throw new Error('there is no object');
}

test('labels of parts are shown at their time, place and scale', async (t) => {
  const hidden = 'ch=0:4f8bff,0:ff9d2e';
  const { page, hub, run, faults } = await visit(t, '#/runs?run=RUN', { ran: true, parts: true });
  await page.getByText('times/t_0003.ome.zarr').waitFor();
  const link = await page.locator('li', { hasText: 'times/t_0003.ome.zarr' }).getByRole('link', { name: 'Show over the image' }).getAttribute('href');
  assert.match(link, /^#\/view\?path=\/brain42\/timelapse\.ome\.tif&t=3&labels=.*&run=/);
  const base = link.replace(/&t=3/, '').replace(/&table=[^&]*/, '');
  const look = async (time, x, y) => {
    await page.goto(`${hub.address}/${base}&t=${time}&at=${x},${y},0&${hidden}`);
    await page.locator('canvas').waitFor({ state: 'attached' });
    const box = await page.locator('canvas').first().boundingBox();
    const [px, py] = [box.x + box.width / 2, box.y + box.height / 2];
    const object = async () => {
      await page.mouse.move(px + 1, py);
      await page.mouse.move(px, py);
      return Number(/object (\d+)/.exec((await page.getByRole('status', { name: 'Position under the pointer' }).textContent()) ?? '')?.[1] ?? 0);
    };
    const ink = async () => (await statistics(page, { x: Math.round(px) - 40, y: Math.round(py) - 40, width: 80, height: 80 }, 40)).bright;
    return { object, ink };
  };
  for (const part of [{ t: 2, level: 0, x: 256, y: 128 }, { t: 3, level: 0, x: 256, y: 128 }, { t: 4, level: 1, x: 0, y: 0 }]) {
    const found = objectIn({ part, from: [420, 300], to: [700, 600] });
    const { object, ink } = await look(part.t, found.x, found.y);
    await until(async () => (await object()) === found.id);
    await until(async () => (await ink()) > 0.01);
  }
  // Left of the block of t 3 there are none, and at t 0 none at all.
  const outside = await look(3, 120, 400);
  await page.waitForTimeout(500);
  assert.equal(await outside.object(), 0);
  assert.equal(await outside.ink(), 0);
  const before = await look(0, 500, 400);
  await page.getByText('There are no labels of time point 1, only of time points 3, 4 and 5.').waitFor();
  assert.equal(await before.ink(), 0);
  assert.ok(run);
  assert.deepEqual(await faults(), []);
});

test('all blocks of a time point are shown, and a click chooses an object of the block that was hit', async (t) => {
  const { page, hub, faults } = await visit(t, '#/runs?run=RUN', { ran: true, blocks: true });
  await page.getByText('blocks/b_0001.ome.zarr').waitFor();
  const link = await page.locator('li', { hasText: 'blocks/b_0000.ome.zarr' }).getByRole('link', { name: 'Show over the image' }).getAttribute('href');
  const base = link.replace(/&table=[^&]*/, '');
  const left = objectIn({ part: { t: 5, level: 0, x: 0, y: 0 }, from: [60, 60], to: [400, 400] });
  const right = objectIn({ part: { t: 5, level: 0, x: 512, y: 0, add: 5_000_000 }, from: [600, 60], to: [900, 400] });
  await page.goto(`${hub.address}/${base}&at=512,256,-0.5&ch=0:4f8bff,0:ff9d2e`);
  await page.locator('canvas').waitFor({ state: 'attached' });
  const box = await page.locator('canvas').first().boundingBox();
  const place = ({ x, y }) => [box.x + box.width / 2 + (x - 512) * 2 ** -0.5, box.y + box.height / 2 + (y - 256) * 2 ** -0.5];
  const ink = async (o) => {
    const [x, y] = place(o);
    return (await statistics(page, { x: Math.round(x) - 30, y: Math.round(y) - 30, width: 60, height: 60 }, 40)).bright;
  };
  await until(async () => (await ink(left)) > 0.01 && (await ink(right)) > 0.01);
  await page.getByText('and 1 other block of this time point').waitFor();
  await page.mouse.click(...place(left));
  await page.getByText(`Object ${left.id} is chosen.`).waitFor();
  assert.match(page.url(), /b_0000/);
  await page.mouse.click(...place(right));
  await page.getByText(`Object ${right.id} is chosen.`).waitFor();
  await until(() => /b_0001\.ome\.zarr/.test(page.url()));
  await until(async () => (await ink(left)) > 0.01); // the other block stays
  await page.mouse.click(...place({ x: 512, y: 700 })); // below both
  await page.getByText('Click an object to choose it.').waitFor();
  assert.deepEqual(await faults(), []);
});
