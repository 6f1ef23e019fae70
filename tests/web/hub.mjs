// What a microscopist does, in a real browser, with the real tierd and tierweb. Started by hub_page_test.cpp:
//   LINK    the link that tierweb printed
//   TIERWEB the number of its process
//   IMAGE   the path of a volume in the archive, in the namespace
//   PLATE   the path of a plate with the wells A1 and B2, each with one field
//   HALVES  the path of six planes of 512 x 512, whose left half is dark in the 2nd, 4th and 6th, and whose right half is
//           dark in the others; nothing but these tests looks at them
//   LEVELS  the path of a plane of 1,024 x 1,024 whose voxels are 200, and 80 in its small level
//   WIDE    another one, of which a thumbnail needs the small level only
//   PLACE   a folder: hub_page_test.cpp does what the file `ask` says, and removes it
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { openBrowser, openPage, pixelAt, statistics, watch, withoutWebGl } from '../../web/tests-browser/browser.mjs';

const { LINK, TIERWEB, IMAGE, HALVES, LEVELS, PLACE, PLATE, WIDE } = process.env;
const address = new URL(LINK).origin;
const name = (path) => path.slice(path.lastIndexOf('/') + 1);
const folder = (path) => path.slice(0, path.lastIndexOf('/'));
const viewOf = (image, more = '') => `${address}/#/view?path=${encodeURIComponent(image)}${more}`;

let browser;
let opened;
before(async () => {
  browser = await openBrowser();
  opened = await openPage(browser);
});
after(async () => browser?.close());

async function until(what, ms = 30_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await what();
    if (value) return value;
    assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`);
    await new Promise((later) => setTimeout(later, 100));
  }
}

async function canvasBox(page) {
  const canvas = page.locator('canvas').first();
  await canvas.waitFor({ state: 'attached' });
  return canvas.boundingBox();
}

// hub_page_test.cpp does it.
async function ask(what) {
  const file = path.join(PLACE, 'ask');
  fs.writeFileSync(`${file}.part`, what);
  fs.renameSync(`${file}.part`, file);
  await until(() => !fs.existsSync(file));
}

// How bright the picture is left and right of its middle.
async function sides(page) {
  const box = await canvasBox(page);
  const at = async (part) => Math.max(...(await pixelAt(page, Math.round(box.x + box.width * part), Math.round(box.y + box.height / 2))));
  return { left: await at(0.45), right: await at(0.55) };
}

// The processes that answer for people: tierweb --worker, children of ours.
function workers() {
  return fs.readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('tierweb\0--worker\0') && fs.readFileSync(`/proc/${pid}/status`, 'latin1').includes(`\nPPid:\t${TIERWEB}\n`);
    } catch {
      return false;
    }
  });
}

test('the link opens the page once', async () => {
  const { page } = opened;
  await page.goto(LINK);
  await until(() => page.url().startsWith(`${address}/`) && !page.url().includes('token'));
  await page.getByText('All data').first().waitFor();
  const again = await openPage(browser);
  const answer = await again.page.goto(LINK);
  assert.equal(answer.status(), 401);
  await again.page.getByText('start it again').waitFor();
  await again.context.close();
});

test('a cold image is in the list, and can be brought to the SSD', async () => {
  const { page } = opened;
  await page.goto(`${address}/#/data?path=${encodeURIComponent(folder(WIDE))}`);
  const row = page.locator('.list-row', { hasText: name(WIDE) });
  await row.getByText(/^in the archive$|^\d+ %$/).waitFor(); // its thumbnail may be here already
  await row.locator('.col-size').click();
  await page.locator('.details').getByRole('button', { name: 'Bring to SSD' }).click();
  await row.getByText('on SSD', { exact: true }).waitFor();
});

test('an image is shown as it is: its dark half dark, its bright half bright', async () => {
  const { page } = opened;
  await page.goto(viewOf(HALVES, '&z=1'));
  await until(async () => (await sides(page)).right > 150);
  assert.ok((await sides(page)).left < 60, 'the left half is bright');
});

test('a volume is drawn, and goes on after its worker was killed', async () => {
  const { page } = opened;
  await page.goto(`${address}/#/view?path=${encodeURIComponent(IMAGE)}&z=4`);
  const box = await canvasBox(page);
  const clip = { x: box.x + box.width * 0.3, y: box.y + box.height * 0.3, width: box.width * 0.4, height: box.height * 0.4 };
  const drawn = () => until(async () => (await statistics(page, clip, 40)).bright > 0.02);
  await drawn();
  const killed = workers();
  assert.equal(killed.length, 1);
  process.kill(Number(killed[0]), 'SIGKILL');
  await page.keyboard.press('ArrowRight');
  await page.getByText(/^6 \/ /).waitFor();
  await drawn();
  await until(() => workers().length === 1 && workers()[0] !== killed[0]);
});

test('a volume is drawn in 3-D, out of the tiles of the hub', async () => {
  const { page } = opened;
  await page.goto(`${address}/#/view?path=${encodeURIComponent(IMAGE)}&vol=max,0,0,0`);
  await page.getByText('256 × 256 × 16 voxels').waitFor();
  await page.getByText('Loading the volume').waitFor({ state: 'detached' });
  const box = await canvasBox(page);
  const clip = { x: box.x + box.width * 0.35, y: box.y + box.height * 0.35, width: box.width * 0.3, height: box.height * 0.3 };
  await until(async () => (await statistics(page, clip, 40)).bright > 0.02);
  assert.equal((await statistics(page, { x: box.x, y: box.y, width: 60, height: box.height - 60 }, 40)).bright, 0);
});

test('without WebGL the hub renders the same picture', async () => {
  const page = await opened.context.newPage();
  const faults = await watch(page);
  await withoutWebGl(page);
  await page.goto(viewOf(HALVES, '&z=1'));
  await page.getByText(/^This browser has no WebGL 2/).waitFor();
  await until(async () => (await sides(page)).right > 150);
  assert.ok((await sides(page)).left < 60, 'the left half is bright');
  assert.deepEqual(await faults(), []);
  await page.close();
});

test('a plate is a grid of its wells, and a field knows its place', async () => {
  const { page } = opened;
  await page.goto(`${address}/#/data?path=${encodeURIComponent(folder(PLATE))}`);
  const row = page.locator('.list-row', { hasText: name(PLATE) });
  await row.getByText(/^plate/).waitFor();
  await row.getByRole('link').click();
  await page.getByText('2 wells, 2 fields').waitFor();
  await page.getByRole('gridcell', { name: /^A1: 1 field/ }).click();
  await page.getByRole('link', { name: 'Field 1' }).click();
  await page.getByRole('link', { name: 'Well A1' }).waitFor();
  await page.locator('main').focus();
  await page.keyboard.press(']');
  await page.getByRole('link', { name: 'Well B2' }).waitFor();
});

test('the map of what is on the SSD is that of the planes', async () => {
  const { page } = opened;
  await page.goto(`${address}/#/data?path=${encodeURIComponent(folder(IMAGE))}`);
  await page.locator('.list-row', { hasText: name(IMAGE) }).locator('.col-size').click();
  await page.locator('summary', { hasText: 'What is on the SSD' }).click();
  await page.getByRole('img', { name: /^level 0: 100 % on the SSD/ }).waitFor();
});

test('an analysis is started from the image, with another diameter, and its outlines are over it', async () => {
  const { page } = opened;
  await page.goto(`${address}/#/data?path=${encodeURIComponent(folder(IMAGE))}`);
  await page.locator('.list-row', { hasText: name(IMAGE) }).locator('.col-size').click();
  await page.getByRole('link', { name: 'Analyse…' }).click();
  await page.getByRole('radio', { name: /^nuclei-files/ }).check();
  await page.getByLabel('Diameter').fill('14');
  await page.getByText('All of the input is on the SSD').waitFor();
  await page.getByRole('cell', { name: /estimated/ }).first().waitFor();
  await page.locator('.run-button[aria-disabled="false"]').click();
  await page.getByRole('heading', { name: 'nuclei-files', level: 1, exact: true }).waitFor();
  // The results appear by themselves when the run is done.
  await page.getByRole('tab', { name: 'Results' }).click();
  await page.getByRole('grid', { name: /\.csv$/ }).waitFor({ timeout: 60_000 });
  await page.getByRole('link', { name: 'Show over the image' }).click();
  const box = await canvasBox(page);
  await until(() => page.url().includes('&labels='));
  // The pointer finds an object, and a click chooses its row.
  const under = page.getByRole('status', { name: 'Position under the pointer' });
  const found = await until(async () => {
    for (let part = 0.3; part < 0.7; part += 0.01) {
      await page.mouse.move(box.x + box.width * part, box.y + box.height / 2);
      const text = (await under.count()) ? await under.textContent() : ''; // nothing is said beside the image
      if (/object \d+/.test(text)) return { number: /object (\d+)/.exec(text)[1], x: box.x + box.width * part };
    }
    return null;
  });
  await page.mouse.click(found.x, box.y + box.height / 2);
  await page.getByText(`Object ${found.number} is chosen.`).waitFor();
});

test('a cold image is coarse at first, and then sharp by itself', async () => {
  const { page } = opened;
  await ask('slow archive');
  await page.goto(viewOf(LEVELS, '&at=512,512,0&ch=1:ffffff:0:255'));
  await page.getByRole('heading', { name: name(LEVELS), level: 1 }).waitFor();
  const seen = [];
  await until(async () => {
    const { left } = await sides(page);
    if (seen.at(-1) !== left) seen.push(left);
    return left > 190;
  }).catch(async (e) => assert.fail(`${e.message}; seen: ${seen}; the page says: ${await page.locator('main').innerText()}`));
  await ask('quick archive');
  // The stage is dark until the coarse picture is there.
  const brightness = seen.slice(seen.findIndex((value) => value > 70));
  assert.ok(brightness[0] > 70 && brightness[0] < 90, `it was not coarse at first: ${seen}`);
  assert.ok(brightness.every((value) => value > 70), `it was dark in between: ${seen}`);
  assert.ok(Math.abs(brightness.at(-1) - 200) < 6, `it did not become sharp: ${seen}`);
});

test('a view goes on after tierd was killed and started again', async () => {
  const { page } = opened;
  await page.goto(viewOf(HALVES, '&z=3'));
  await until(async () => (await sides(page)).right > 150);
  await ask('kill tierd');
  await page.keyboard.press('ArrowRight');
  await page.locator('.mark-bad').waitFor();
  assert.ok((await sides(page)).right > 150, 'the plane before is not shown any more');
  await ask('start tierd');
  await until(async () => (await sides(page)).left > 150);
  assert.ok((await sides(page)).right < 60, 'the right half is bright');
  await page.locator('.mark-bad').waitFor({ state: 'detached' });
});

test('a view goes on after tierweb was killed and started again, with the new link', async () => {
  const { page, context } = opened;
  await page.goto(viewOf(HALVES, '&z=4'));
  await until(async () => (await sides(page)).left > 150);
  await ask('kill tierweb');
  await page.keyboard.press('ArrowRight');
  await page.getByText('The hub does not answer').first().waitFor();
  await ask('start tierweb');
  await page.getByText('sessions end when the hub is started again').waitFor();
  const other = await context.newPage();
  await other.goto(fs.readFileSync(path.join(PLACE, 'link'), 'utf8'));
  await other.close();
  await until(async () => (await sides(page)).right > 150);
  assert.ok((await sides(page)).left < 60, 'the left half is bright');
  await page.getByText(/^Your session has ended/).first().waitFor({ state: 'detached' });
});

test('nothing was against the rules of the page', async () => {
  assert.deepEqual(await opened.faults(), []);
});
