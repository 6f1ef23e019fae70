import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// `npm run dev` passes these to the mock server (`npm run mock`), or to a hub that runs on this port.
const server = process.env.TIERHUB_HUB ?? 'http://127.0.0.1:8801';
const routes = ['/api', '/img', '/png', '/zarr', '/login'];

export default defineConfig({
  plugins: [react()],
  base: './',
  resolve: { alias: { '@vivjs/loaders': fileURLToPath(new URL('src/viewer/viv-loaders.ts', import.meta.url)) } },
  build: {
    target: 'es2022',
    // Browsers that know light-dark(): without this the style sheet is rewritten into something longer.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    assetsInlineLimit: 0, // a worker inlined as data: is refused by the content security policy
    modulePreload: { polyfill: false },
    manifest: true, // scripts/sizes.mjs adds up what a page loads
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1500,
  },
  server: { proxy: Object.fromEntries(routes.map((r) => [r, { target: server }])) },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
