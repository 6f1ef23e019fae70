// One Chromium for a file of tests, always closed; each page collects what must not happen.
import { chromium } from 'playwright-core';

// Without a graphics card pages are drawn on the processor, and WebGL by SwiftShader.
const kArguments = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-gpu', '--enable-unsafe-swiftshader',
];

export async function openBrowser() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, headless: true, args: kArguments, timeout: 60_000 });
}

export async function openPage(browser, { width = 1280, height = 800, scheme = 'light' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, acceptDownloads: true });
  context.setDefaultTimeout(45_000); // machines that test are busy
  const page = await context.newPage();
  return { page, context, faults: await watch(page) };
}

// Of a page that is about to be opened: a function that returns everything that must be empty at the end of a test.
export async function watch(page) {
  const wrong = [];
  page.on('pageerror', (e) => wrong.push(`error: ${e.message}`));
  page.on('console', (m) => {
    // A status of 503 (recalling) is part of the protocol, and so is a socket that cannot be opened; Chromium prints each
    // as an error.
    if (m.type() === 'error' && !/Failed to load resource|WebSocket connection to '.*' failed/.test(m.text())) wrong.push(`console: ${m.text()}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
  });
  return async () => [...wrong, ...(await page.evaluate(() => window.violations))];
}

// As a browser whose graphics card cannot be used.
export const withoutWebGl = (page) => page.addInitScript(() => {
  const real = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    return /^(webgl|webgpu)/.test(kind) ? null : real.call(this, kind, ...rest);
  };
});

// The colour of one pixel of what the person sees.
export async function pixelAt(page, x, y) {
  const png = await page.screenshot({ clip: { x, y, width: 1, height: 1 } });
  return page.evaluate(async (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(1, 1);
    const context = canvas.getContext('2d');
    context.drawImage(bitmap, 0, 0);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  }, png.toString('base64'));
}

// What is in a rectangle: the mean of each colour, and how many pixels are brighter than `bright`.
export async function statistics(page, clip, bright = 60) {
  const png = await page.screenshot({ clip });
  return page.evaluate(
    async ([text, least]) => {
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = canvas.getContext('2d');
      context.drawImage(bitmap, 0, 0);
      const data = context.getImageData(0, 0, bitmap.width, bitmap.height).data;
      const sum = [0, 0, 0];
      let count = 0;
      for (let i = 0; i < data.length; i += 4) {
        for (let k = 0; k < 3; k++) sum[k] += data[i + k];
        if (Math.max(data[i], data[i + 1], data[i + 2]) > least) count++;
      }
      const pixels = data.length / 4;
      return { mean: sum.map((s) => s / pixels), bright: count / pixels };
    },
    [png.toString('base64'), bright],
  );
}
