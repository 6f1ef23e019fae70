// The page of bench/hub_goals.sh: with Viv's own loaders, which the page of the hub does not have.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: fileURLToPath(new URL('compare.html', import.meta.url)) },
    chunkSizeWarningLimit: 5000,
  },
});
