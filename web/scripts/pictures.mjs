// Pictures of the hub as it is; scripts/hub_pictures.sh starts it, and says with which programs and data. LINK is the link
// that tierweb printed, PICTURES the folder for them. Without ALL those of docs/HUB_USE.md; with it every page, wide and
// narrow, light and dark, in every state that can be brought about from outside.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { openBrowser, openPage, withoutWebGl } from '../tests-browser/browser.mjs';

const { LINK, PICTURES, ALL, SIGN_IN, MOUNT, PLACE, TIERD, AGENT, TIERWEB } = process.env;
const address = new URL(LINK).origin;
const browser = await openBrowser();
const { page, context, faults } = await openPage(browser, { width: 1280, height: 760 });
const pause = (ms) => new Promise((later) => setTimeout(later, ms));

// Another page of the application; the same one anew, if it is there already.
async function go(hash, to = page) {
  await to.goto('about:blank');
  await to.goto(`${address}/${hash}`);
}

// How many answers are awaited.
const open = new Map();
function count(one) {
  open.set(one, 0);
  one.on('request', () => open.set(one, open.get(one) + 1));
  for (const what of ['requestfinished', 'requestfailed']) one.on(what, () => open.set(one, open.get(one) - 1));
  return one;
}
count(page);

// Until nothing is awaited and nothing changes any more.
async function still(of = page, ms = 15_000) {
  let before = null;
  for (const end = Date.now() + ms; Date.now() < end; await pause(400)) {
    if (open.get(of) > 0) before = null;
    const now = (await of.screenshot()).toString('base64');
    if (now === before) return;
    before = now;
  }
}

const rowOf = (name) => page.locator('.list-row', { hasText: name }).first();
const details = async (name) => {
  await rowOf(name).locator('.col-name').click({ position: { x: 400, y: 8 } });
  await page.locator('.details').waitFor();
};
const drawn = () => page.locator('canvas').first().waitFor({ state: 'attached' });
const volumeIsThere = async () => {
  await page.getByText(/voxels/).first().waitFor();
  await page.getByText('Loading the volume').waitFor({ state: 'detached', timeout: 180_000 }); // without a graphics card
};
const kVolume = '#/view?path=/atlas/spheroid.ome.zarr';
const kPlate = '/screens/translocation.ome.zarr';

async function share() {
  await details('nuclei.tif');
  await page.getByRole('button', { name: 'Share…' }).click();
  await page.getByRole('button', { name: 'Make a link' }).click();
  await page.getByText('You share 1 link').waitFor();
}

// Fills in the form, and waits for its plan.
async function form(workflow, image) {
  await go(`#/run?workflow=${workflow}&dataset=${image}`);
  await page.getByRole('heading', { name: workflow }).waitFor();
  await page.locator('.run-button[aria-disabled="false"]').waitFor();
}

// Runs it, and returns the address of its page when it is done.
async function run() {
  await page.locator('.run-button[aria-disabled="false"]').click();
  await page.getByRole('tab', { name: 'Results' }).click();
  await page.getByRole('grid', { name: /\.csv$/ }).waitFor({ timeout: 120_000 });
  return page.url().replace(/^[^#]*/, '').replace(/&tab=.*/, '');
}

// One in the middle of the image.
async function showObject() {
  await page.getByRole('grid', { name: /\.csv$/ }).getByRole('row').nth(5).click();
  await page.getByRole('grid', { name: /\.csv$/ }).focus();
  for (let i = 0; i < 4; i++) await page.keyboard.press('PageDown');
  await page.getByRole('link', { name: /^Show object/ }).click();
  await drawn();
  await pause(4000); // shaders are compiled, and nothing says so
}

async function guide() {
  const shoot = async (name, of = page) => {
    await still(of);
    await of.screenshot({ path: path.join(PICTURES, `${name}.png`) });
  };
  await go('#/data?path=/atlas');
  await details('cell-painting.tif');
  await page.locator('.details img').waitFor();
  await shoot('datasets');

  await go('#/view?path=/atlas/cell-painting.tif');
  await drawn();
  await page.mouse.move(420, 330);
  await shoot('viewer');

  await go('#/view?path=/atlas/nuclei.tif&at=256,256,0.4&line=150,240,390,282');
  await page.getByRole('button', { name: 'Copy values' }).waitFor();
  await shoot('measure');

  await go(`${kVolume}&vol=max,-30,20,0.2&labels=nuclei`);
  await volumeIsThere();
  await shoot('volume');

  await go(`#/view?path=${kPlate}&well=B/3`);
  await page.getByRole('complementary').waitFor();
  await shoot('plate');

  await go('#/data?path=/atlas');
  await share();
  await shoot('share');

  await form('nuclei-files', '/atlas/nuclei.tif');
  await page.getByRole('cell', { name: /estimated/ }).first().waitFor();
  await shoot('analyse');
  await run();
  await page.getByRole('grid', { name: /\.csv$/ }).getByRole('row').nth(5).click();
  await shoot('results');
  await showObject();
  await shoot('outlines');
}

// Each variant of a page as it is now.
async function all(name, of = page) {
  for (const width of [1280, 400])
    for (const scheme of ['light', 'dark']) {
      await of.setViewportSize({ width, height: 800 });
      await of.emulateMedia({ colorScheme: scheme });
      await still(of, 4000);
      const wide = await of.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('main')?.scrollWidth ?? 0)).catch(() => 0);
      if (wide > width) console.log(`${name}: ${wide} pixels wide in a window of ${width}`);
      await of.screenshot({ path: path.join(PICTURES, `${name}-${width}-${scheme}.png`) });
    }
  await of.setViewportSize({ width: 1280, height: 800 });
  await of.emulateMedia({ colorScheme: 'light' });
}

// A page by its address, after what somebody does there.
async function shoot(name, hash, act = async () => {}) {
  try {
    await go(hash);
    await act();
    await all(name);
  } catch (e) {
    console.log(`${name}: ${e.message.split('\n')[0]}`);
    await all(`${name}-failed`).catch(() => {});
    process.exitCode = 1;
  }
}
const text = (what) => async () => page.getByText(what).first().waitFor();

// Drops a workflow as the person, and returns the name of its job.
function submit(workflow, name) {
  const file = path.join(PLACE, 'home', `${name}.yaml`);
  fs.writeFileSync(file, workflow);
  const said = execFileSync('tierctl', ['jobs', 'submit', file, '--json'], { uid: 12345, gid: 12345, env: { ...process.env, HOME: path.join(PLACE, 'home') } });
  return JSON.parse(said).job;
}
async function runOf(job) {
  await go(`#/runs?job=${job}`);
  await page.locator('.run-one h1').waitFor({ timeout: 60_000 });
  return page.url().replace(/^[^#]*/, '');
}
const steps = (command) => `workflow: WORKFLOW\ninput: {dataset: "atlas/*.tif"}\nscatter: {by: file}\nsteps:\n  - {id: look, run: [sh, -c, "echo reading $1; cat $1 >/dev/null", sh, "{input}"]}\n  - {id: work, after: look, run: [sh, -c, "${command}", sh, "{input}"]}\noutput: results/{user}/{workflow}/{run}\n`;

const signal = (pid, what) => process.kill(Number(pid), what);
const children = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);

async function empty() {
  await shoot('datasets-empty', '#/data?path=/to%20do', text(/empty|nothing|0 names/i));
  await shoot('datasets-missing', '#/data?path=/nowhere', text(/nowhere/));
  await shoot('find-nothing', '#/find?name=nothing-like-this&path=/', text(/nothing-like-this/));
  await shoot('runs-empty', '#/runs', text('No runs yet'));
  await shoot('run-form-empty', '#/run', text('Choose what to analyse with'));
  await shoot('share-empty', '#/data?path=/atlas', async () => {
    await details('nuclei.tif');
    await page.getByRole('button', { name: 'Share…' }).click();
    await page.getByText('Nothing is shared.').waitFor();
  });
  await shoot('system-empty', '#/system', text('Compute agents'));
}

async function full() {
  await shoot('datasets', '#/data?path=/', text('screens'));
  await shoot('dataset', '#/data?path=/atlas', async () => {
    await details('cell-painting.tif');
    await page.locator('summary', { hasText: 'What is on the SSD' }).click();
    await page.locator('summary', { hasText: 'What keeps it' }).click();
  });
  await shoot('datasets-odd', '#/data?path=/screens', async () => {
    await rowOf('20261130').waitFor();
    await details('20261130');
  });
  await shoot('dataset-broken', '#/data?path=/screens', () => details('broken.tif'));
  await shoot('keep', '#/data?path=/atlas', async () => {
    await details('nuclei.tif');
    await page.getByRole('button', { name: 'Keep on SSD…' }).click();
  });
  await shoot('find', '#/find?name=nuclei&path=/', text('nuclei.tif'));
  await shoot('share', '#/data?path=/atlas', share);
  await shoot('viewer', '#/view?path=/atlas/cell-painting.tif', async () => {
    await drawn();
    await page.mouse.move(420, 330);
  });
  await shoot('viewer-long-name', `#/view?path=${encodeURIComponent(`/screens/${fs.readdirSync(path.join(MOUNT, 'screens')).find((n) => n.startsWith('2026'))}`)}`, drawn);
  await shoot('viewer-broken', '#/view?path=/screens/broken.tif', text('cannot'));
  await shoot('viewer-missing', '#/view?path=/atlas/nothing.tif', text('cannot be opened'));
  await shoot('viewer-labels', `${kVolume}&labels=nuclei`, drawn);
  await shoot('viewer-line', '#/view?path=/atlas/nuclei.tif&at=256,256,0.4&line=150,240,390,282', drawn);
  await shoot('viewer-slices', `${kVolume}&slices=1`, drawn);
  await shoot('volume', `${kVolume}&vol=max,-30,20,0`, volumeIsThere);
  await shoot('volume-labels', `${kVolume}&vol=max,-30,20,0.2&labels=nuclei`, volumeIsThere);
  await shoot('plate', `#/view?path=${kPlate}&well=B/3`, async () => page.getByRole('complementary').waitFor());
  await shoot('plate-overview', `#/view?path=${kPlate}`, async () => page.getByRole('button', { name: 'Overview' }).click());
  await shoot('field', `#/view?path=${kPlate}/A/1/0`, drawn);
  await shoot('keys', '#/data?path=/atlas', async () => {
    await rowOf('nuclei.tif').waitFor();
    await page.keyboard.press('?');
  });
  const plain = count(await context.newPage());
  await withoutWebGl(plain);
  await go('#/view?path=/atlas/cell-painting.tif', plain);
  await plain.getByText(/^This browser has no WebGL 2/).waitFor();
  await all('viewer-plain', plain);
  await plain.close();
}

async function runs() {
  await shoot('run-form', '#/run?workflow=nuclei-files&dataset=/atlas/nuclei.tif', async () => page.locator('.run-button[aria-disabled="false"]').waitFor());
  await shoot('run-form-blocks', '#/run?workflow=nuclei-blocks&dataset=/atlas/spheroid.ome.zarr', async () => page.locator('.run-button[aria-disabled="false"]').waitFor());
  await shoot('run-form-text', '#/run?workflow=nuclei-files&dataset=/atlas/nuclei.tif', async () => page.getByRole('tab', { name: 'Text' }).click());
  await shoot('run-form-cold', `#/run?workflow=plate-two-channels&dataset=${kPlate}`, text('come from the archive'));
  await shoot('run-form-wrong', '#/run?workflow=nuclei-files&dataset=/atlas/nothing.tif', async () => {
    await page.getByLabel('Diameter').fill('2,5');
    await page.getByText('Write a decimal point, not a comma.').waitFor();
  });
  await shoot('run-form-nothing', '#/run?workflow=nuclei-files&dataset=/atlas/nothing.tif', text(/nothing\.tif/));
  await form('nuclei-files', '/atlas/nuclei.tif');
  const done = await run();
  await shoot('results', `${done}&tab=results`, async () => page.getByRole('grid', { name: /\.csv$/ }).getByRole('row').nth(5).click());
  await shoot('run-done', `${done}&tab=overview`, text('Computed'));
  await shoot('run-report', `${done}&tab=report`, async () => page.locator('.report').waitFor());
  await shoot('run-tasks', `${done}&tab=tasks`, text('Attempts'));
  await shoot('outlines', `${done}&tab=results`, showObject);
  const failing = await runOf(submit(steps('echo the camera file is not readable >&2; exit 3').replace('WORKFLOW', 'register-frames'), 'register-frames'));
  await shoot('run-failed', failing, text(/failed/));
  await shoot('run-log', `${failing}&tab=log`, text('not readable'));
  const running = await runOf(submit(steps('sleep 60').replace('WORKFLOW', 'deconvolve'), 'deconvolve'));
  await shoot('run-running', running, text(/running/));
  await shoot('run-cancel', running, async () => page.getByRole('button', { name: 'Cancel' }).click());
  await shoot('runs', '#/runs', text('register-frames'));
  await shoot('events', '#/system', async () => page.getByRole('heading', { name: 'What happened' }).scrollIntoViewIfNeeded());
  await shoot('system', '#/system', text('What happened'));
}

// The page is open when something goes away.
async function failing() {
  await shoot('agent-away', '#/run?workflow=nuclei-files&dataset=/atlas/nuclei.tif', async () => {
    signal(AGENT, 'SIGSTOP');
    await page.getByText(/no agent|agent .*(gone|not|silent)/i).first().waitFor({ timeout: 90_000 });
  });
  await shoot('agent-away-runs', '#/runs', text('deconvolve'));
  signal(AGENT, 'SIGCONT');
  await shoot('worker-killed', '#/data?path=/atlas', async () => {
    await rowOf('nuclei.tif').waitFor();
    for (const pid of children(TIERWEB)) signal(pid, 'SIGKILL');
    await pause(1000);
  });
  const stopped = children(TIERWEB);
  await shoot('worker-hangs', '#/data?path=/atlas', async () => {
    await rowOf('nuclei.tif').waitFor();
    for (const pid of stopped) signal(pid, 'SIGSTOP');
    await page.evaluate(() => { window.location.hash = '#/data?path=/screens'; });
    await pause(3000);
  });
  for (const pid of stopped) signal(pid, 'SIGCONT');
  await shoot('tierd-hangs', '#/system', async () => {
    await page.getByText('Compute agents').waitFor();
    signal(TIERD, 'SIGSTOP');
    await pause(12_000);
  });
  signal(TIERD, 'SIGCONT');
  await go('#/data?path=/atlas');
  await rowOf('nuclei.tif').waitFor();
  signal(TIERD, 'SIGTERM');
  await pause(6000);
  await all('tierd-away-open');
  for (const [name, hash] of [['datasets', '#/data?path=/atlas'], ['viewer', '#/view?path=/atlas/nuclei.tif'], ['runs', '#/runs'], ['run-form', '#/run?workflow=nuclei-files&dataset=/atlas/nuclei.tif'], ['system', '#/system']])
    await shoot(`tierd-away-${name}`, hash, () => pause(4000));
}

async function signIn() {
  const other = await openPage(browser);
  count(other.page);
  await other.page.goto(LINK);
  await all('link-used', other.page);
  await other.page.goto(`${SIGN_IN}/`);
  await all('not-signed-in', other.page);
  await other.page.getByRole('link', { name: 'Sign in' }).click();
  await all('sign-in', other.page);
  await other.page.locator('[name=user]').fill('ada');
  await other.page.locator('[type=password]').fill('secret');
  await other.page.keyboard.press('Enter');
  await other.page.getByText(/not|wrong|fail/i).first().waitFor();
  await all('sign-in-refused', other.page);
  await other.context.close();
}

try {
  await page.goto(LINK);
  await page.getByText('All data').first().waitFor();
  if (ALL) for (const part of [signIn, empty, full, runs, failing]) await part();
  else await guide();
  for (const fault of await faults()) console.log(fault);
} catch (e) {
  await page.screenshot({ path: path.join(fs.mkdtempSync('/tmp/pictures-'), 'failed.png') }).catch(() => {});
  throw e;
} finally {
  await browser.close();
}
