// From a dataset to a run: the form, its plan, and what can be wrong. Needs `npm run build` first.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from '../mock/server.mjs';
import { openBrowser, openPage } from './browser.mjs';

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
  await opened.page.goto(`${hub.address}/${hash}`, { waitUntil: 'commit' });
  return { ...opened, hub };
}
const sent = (hub, path) => hub.log.filter((l) => l.path === path);

test('from a dataset to its run: form, plan, waiting, the page of the run', async (t) => {
  const { page, hub, faults } = await visit(t, '#/data?path=/brain42', { agentMs: 2500 });
  await page.locator('.list-row', { hasText: 'scan-archive.ome.zarr' }).locator('.col-size').click();
  await page.getByRole('link', { name: 'Analyse…' }).click();
  await page.getByRole('radio', { name: /^nuclei-files/ }).check();
  assert.equal(await page.getByLabel('Dataset').inputValue(), 'brain42/scan-archive.ome.zarr');
  await page.getByText(/211 MiB come from the archive\. .* of the SSD are free/).waitFor();
  await page.getByLabel('Diameter').fill('30');
  await page.getByRole('cell', { name: '310 MiB estimated' }).waitFor();
  await page.getByRole('cell', { name: 'not known: imgop table has no estimate' }).waitFor();
  await page.locator('.run-button[aria-disabled="false"]').click();
  await page.getByText(/is waiting for the agent to take it/).waitFor();
  await page.getByRole('heading', { name: 'nuclei-files', level: 1, exact: true }).waitFor();
  assert.match(page.url(), /#\/runs\?run=nuclei-files-k\w+-\d+T\d+Z-mock$/);
  assert.deepEqual(hub.world.jobs[0].body.values, { dataset: 'brain42/scan-archive.ome.zarr', channel: 0, diameter: 30, method: 'otsu', split: true });
  assert.deepEqual(await faults(), []);
});

test('what is typed is judged at its field, by the page and by the hub', async (t) => {
  const { page, hub, faults } = await visit(t, '#/run?workflow=spots-per-cell');
  await page.getByRole('heading', { name: 'spots-per-cell' }).waitFor();
  assert.equal(await page.locator('[aria-invalid="true"]').count(), 0);
  await page.locator('.run-button').click({ force: true });
  await page.getByText('Choose a dataset.').waitFor();
  await page.getByLabel('Nucleus diameter').fill('2,5');
  await page.getByText('Write a decimal point, not a comma.').waitFor();
  await page.getByLabel('Nucleus diameter').fill('501');
  await page.getByText('The value must be from 2 to 500 px.').waitFor();
  await page.getByLabel('Nucleus diameter').fill('');
  await page.getByText('Empty: 24 is used.').waitFor();
  await page.getByLabel('Spot threshold').fill('13');
  await page.getByText('13 is below the noise of the camera').waitFor();
  await page.getByRole('button', { name: 'Choose' }).click();
  await page.getByRole('button', { name: 'brain42' }).click();
  await page.getByRole('button', { name: /^scan\.ome\.zarr/ }).click();
  await page.getByLabel('Spot threshold').fill('20');
  await page.getByText('All of the input is on the SSD: the run can start at once.').waitFor();
  await page.getByRole('button', { name: 'Choose' }).click();
  await page.getByRole('button', { name: 'Add overview.ome.zarr' }).click();
  assert.equal(await page.getByRole('textbox', { name: 'Dataset (required)' }).inputValue(), 'brain42/scan.ome.zarr\nbrain42/overview.ome.zarr');
  await page.getByText('2 tasks on 2 items in 1 step').waitFor();
  await page.getByRole('button', { name: 'Close the choice of a dataset' }).click();
  await page.getByLabel('Dataset').fill('nowhere/*.tif');
  await page.getByText('nothing in TierHub matches "nowhere/*.tif"').first().waitFor();
  assert.equal(sent(hub, '/api/workflow/run').length, 0);
  assert.deepEqual(await faults(), []);
});

test('a plan that is out of date is cancelled, and typing asks only when it stops', async (t) => {
  const { page, hub, faults } = await visit(t, '#/run?workflow=nuclei-files&dataset=/brain42/scan.ome.zarr');
  await page.locator('.plan').waitFor();
  const before = sent(hub, '/api/workflow/plan').length;
  await page.getByLabel('Diameter').fill('99'); // the mock takes three seconds for this plan
  await page.locator('.plan-old').waitFor();
  while (sent(hub, '/api/workflow/plan').length === before) await page.waitForTimeout(50);
  await page.getByLabel('Diameter').pressSequentially('');
  await page.getByLabel('Diameter').fill('2');
  await page.getByLabel('Diameter').pressSequentially('50', { delay: 30 });
  await page.getByText('with this diameter a task reads far beyond its image').waitFor();
  const plans = sent(hub, '/api/workflow/plan').slice(before);
  assert.equal(plans.length, 2);
  assert.ok(plans[0].aborted);
  assert.deepEqual(await faults(), []);
});

test('errors in the text are at their line, and nothing runs without an agent', async (t) => {
  const { page, faults } = await visit(t, '#/run?workflow=broken&dataset=/brain42', { broken: true, noAgent: true });
  await page.getByRole('tab', { name: 'Text (errors)' }).click();
  await page.getByText("Line 6, column 5: a step has no key 'rum': did you mean 'run'?").waitFor();
  await page.getByText('No agent runs: start tieragent, or ask the administrator.').waitFor();
  await page.getByRole('radio', { name: /^nuclei-files/ }).check();
  await page.getByRole('tab', { name: 'Plan' }).click();
  await page.getByText(/come from the archive/).waitFor();
  assert.equal(await page.locator('.run-button').getAttribute('aria-disabled'), 'true');
  await page.goto(page.url().replace(/#.*/, '#/runs?job=nuclei-files-k001'));
  await page.getByText('nuclei-files-k001 is waiting for the agent').waitFor();
  await page.getByText('no agent runs: start tieragent').waitFor();
  assert.deepEqual(await faults(), []);
});

test('a plan that fails does not stop the run, and the form fits a telephone', async (t) => {
  const { page, hub, faults } = await visit(t, '#/run?workflow=nuclei-files&dataset=/brain42/scan.ome.zarr', { planFails: true, width: 400 });
  await page.getByText('The plan cannot be made: Imgop could not be started.').waitFor({ timeout: 30_000 });
  assert.equal(await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)), 400);
  await page.locator('.run-button[aria-disabled="false"]').click();
  await page.getByRole('heading', { name: 'nuclei-files', level: 1, exact: true }).waitFor();
  assert.equal(hub.world.jobs.length, 1);
  assert.deepEqual(await faults(), []);
});

test('a run is repeated with the values that it had', async (t) => {
  const { page, hub, faults } = await visit(t, '#/run?workflow=nuclei-files&dataset=/brain42/scan.ome.zarr', { agentMs: 0 });
  await page.getByLabel('Diameter').fill('31');
  await page.locator('.run-button[aria-disabled="false"]').click();
  await page.getByRole('link', { name: 'Run again with other values' }).click();
  await page.getByRole('heading', { name: 'Run again with other values' }).waitFor();
  assert.equal(await page.getByLabel('Diameter').inputValue(), '31');
  assert.equal(await page.getByLabel('Dataset').inputValue(), 'brain42/scan.ome.zarr');
  // Another browser knows only the run's folder.
  const run = new URL(page.url().replace('#/', '')).searchParams.get('from');
  const other = await openPage(browser);
  t.after(() => other.context.close());
  await other.page.goto(`${hub.address}/#/run?from=${run}`, { waitUntil: 'commit' });
  await other.page.getByRole('heading', { name: 'Run again with other values' }).waitFor();
  assert.equal(await other.page.getByLabel('Diameter').inputValue(), '31');
  await other.page.goto(`${hub.address}/#/run?from=align-20261128T080000Z-zxcv`);
  await other.page.getByText('The file of the run cannot be read').waitFor();
  assert.deepEqual([...(await faults()), ...(await other.faults())], []);
});
