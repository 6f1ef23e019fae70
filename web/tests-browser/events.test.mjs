// What happens while one looks, over the WebSocket of the mock. Needs `npm run build` first.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from '../mock/server.mjs';
import { openBrowser, openPage } from './browser.mjs';

let browser;
before(async () => {
  browser = await openBrowser();
});
after(async () => browser?.close());

async function visit(t, hash, options = {}) {
  const hub = await start(options);
  const opened = await openPage(browser, options);
  t.after(async () => {
    await opened.context.close();
    await hub.stop();
  });
  const sockets = [];
  opened.page.on('websocket', (s) => sockets.push(s));
  await opened.page.goto(`${hub.address}/${hash}`, { waitUntil: 'commit' });
  const asked = (pattern, since = 0) => hub.log.filter((l) => pattern.test(l.path) && l.at >= since).length;
  return { ...opened, hub, asked, sockets };
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
const listening = (hub, sockets) => until(() => sockets.some((s) => !s.isClosed()) && hub.log.some((l) => l.path === '/api/events/recent'));

test('a page that listens asks when something happens, not every few seconds', async (t) => {
  const { page, hub, asked, sockets, faults } = await visit(t, '#/data?path=/brain42');
  const row = page.locator('.list-row', { hasText: 'scan-archive.ome.zarr' });
  await row.getByText('in the archive').waitFor();
  await listening(hub, sockets);
  await page.waitForTimeout(1500);
  const quiet = Date.now();
  await page.waitForTimeout(7000);
  assert.ok(asked(/^\/api\/v1\/status/, quiet) <= 1, 'the status is still asked for every two seconds');
  const image = hub.world.images.find((i) => i.path.endsWith('/scan-archive.ome.zarr'));
  Object.assign(image, { state: 'hot', resident: image.size }); // the mock tells that
  await row.getByText('on SSD', { exact: true }).waitFor({ timeout: 5000 });
  const busy = Date.now();
  for (let i = 0; i < 60; i++) {
    hub.emit({ kind: 'residency', path: `/brain42/file${i}` });
    await page.waitForTimeout(25);
  }
  await page.waitForTimeout(1500);
  const times = asked(/^\/api\/v1\/ls\?path=%2Fbrain42&limit=\d+$/, busy);
  assert.ok(times >= 2 && times <= 2 * ((Date.now() - busy) / 1000) + 1, `asked ${times} times`);
  hub.emit({ kind: 'residency', path: '/elsewhere/x' });
  hub.emit({ kind: 'residency', path: '/brain42x' });
  const elsewhere = Date.now();
  await page.waitForTimeout(1500);
  assert.equal(asked(/^\/api\/v1\/ls\?path=%2Fbrain42&limit=\d+$/, elsewhere), 0, 'an event of another folder was taken for one of this');
  assert.deepEqual(await faults(), []);
});

test('when events were dropped everything is asked for again', async (t) => {
  const { page, hub, asked, sockets, faults } = await visit(t, '#/data?path=/brain42');
  await page.getByText('scan-archive.ome.zarr').waitFor();
  await listening(hub, sockets);
  await page.waitForTimeout(1200);
  const then = Date.now();
  hub.emit({ kind: 'lost' });
  for (const one of [/^\/api\/session/, /^\/api\/v1\/ls\?path=%2Fbrain42&limit=\d+$/, /^\/api\/v1\/ls.*totals/, /^\/api\/datasets/, /^\/api\/v1\/prefetch/]) await until(() => asked(one, then) > 0, 4000);
  assert.deepEqual(await faults(), []);
});

test('a broken connection means asking again every few seconds, until it is back', async (t) => {
  const { page, hub, asked, sockets, faults } = await visit(t, '#/data?path=/brain42');
  await page.getByText('scan-archive.ome.zarr').waitFor();
  await listening(hub, sockets);
  Object.assign(hub.options, { noUpgrade: true, noLongPoll: true });
  hub.drop();
  await until(() => sockets.every((s) => s.isClosed()));
  const broken = Date.now();
  await until(() => asked(/^\/api\/v1\/status/, broken) >= 3, 10_000);
  hub.options.noUpgrade = false;
  await until(() => sockets.some((s) => !s.isClosed()), 20_000);
  await page.waitForTimeout(1500);
  const back = Date.now();
  await page.waitForTimeout(5000);
  assert.ok(asked(/^\/api\/v1\/status/, back) <= 1, 'it still asks as if nobody told');
  assert.deepEqual(await faults(), []);
});

test('where there is no WebSocket the page asks and waits, but not while it is hidden', async (t) => {
  const { page, hub, asked, faults } = await visit(t, '#/data?path=/brain42', { noUpgrade: true });
  const row = page.locator('.list-row', { hasText: 'scan-archive.ome.zarr' });
  await row.getByText('in the archive').waitFor();
  await until(() => asked(/^\/api\/v1\/events\?since=/) > 0);
  // On a busy machine the page is still being loaded for a while.
  await until(() => asked(/^\/api\//, Date.now() - 1500) === 0);
  const quiet = Date.now();
  await page.waitForTimeout(5000);
  assert.ok(asked(/^\/api\/v1\/status/, quiet) <= 1, 'the status is still asked for every two seconds');
  assert.ok(asked(/^\/api\/v1\/events/, quiet) <= 1, 'it does not wait for the answer');
  const image = hub.world.images.find((i) => i.path.endsWith('/scan-archive.ome.zarr'));
  Object.assign(image, { state: 'hot', resident: image.size });
  await row.getByText('on SSD', { exact: true }).waitFor({ timeout: 5000 });
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await until(() => hub.log.filter((l) => l.path.startsWith('/api/v1/events')).every((l) => l.done || l.aborted));
  const hidden = Date.now();
  await page.waitForTimeout(2500);
  assert.equal(asked(/^\/api\/v1\/events/, hidden), 0, 'a hidden page takes a connection');
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { value: 'visible', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await until(() => asked(/^\/api\/v1\/events\?since=/, hidden) > 0);
  assert.deepEqual(await faults(), []);
});

test('the system page lists what happened, as text', async (t) => {
  const { page, hub, sockets, faults } = await visit(t, '#/system', { width: 400, scheme: 'dark' });
  const list = page.getByRole('list', { name: 'Last events' });
  await listening(hub, sockets);
  hub.emit({ kind: 'health', at: 1790000000, text: 'The archive answers again.' });
  hub.emit({ kind: 'tier', text: '<img src=x onerror=alert(1)>' });
  await list.getByText('The archive answers again.').waitFor();
  await list.getByText('<img src=x onerror=alert(1)>').waitFor();
  for (let i = 0; i < 20; i++) hub.emit({ kind: 'prefetch', at: 1790000100 + i, text: `Transfer ${i} ended.` });
  await page.getByRole('button', { name: /^Show all 2\d/ }).click();
  await list.getByText('Transfer 0 ended.').waitFor();
  assert.equal(await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)), 400);
  await page.reload();
  await list.getByText('Transfer 19 ended.').waitFor(); // the hub keeps the last ones
  assert.deepEqual(await faults(), []);
});

test('a hub without events is asked every few seconds, as before', async (t) => {
  const { page, hub, asked, sockets, faults } = await visit(t, '#/system', { noEvents: true });
  await page.getByText('This hub does not tell what happens').waitFor();
  const then = Date.now();
  await until(() => asked(/^\/api\/v1\/status/, then) >= 3, 10_000);
  assert.equal(sockets.length, 0);
  assert.equal(hub.log.filter((l) => l.path === '/api/events/recent').length, 1);
  assert.deepEqual(await faults(), []);
});

test('a run is followed by what the hub tells', async (t) => {
  const { page, hub, asked, sockets, faults } = await visit(t, '#/runs');
  await page.getByRole('row', { name: /running count-nuclei/ }).waitFor();
  await listening(hub, sockets);
  await page.waitForTimeout(1000);
  const then = Date.now();
  hub.emit({ kind: 'runs', run: 'count-nuclei-20261130T020000Z-qwer' });
  await until(() => asked(/^\/api\/v1\/runs$/, then) > 0, 3000);
  assert.deepEqual(await faults(), []);
});
