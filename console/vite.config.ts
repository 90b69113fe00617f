import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** `vite build console` makes the page that the page server serves; `vite console` proxies to a running one. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: fileURLToPath(new URL('../dist/console', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // The one large file is three.js, loaded on demand from this machine.
    chunkSizeWarningLimit: 900,
  },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/live': { target: 'http://127.0.0.1:8000', ws: true },
      '/models': { target: 'http://127.0.0.1:8000' },
    },
  },
});
