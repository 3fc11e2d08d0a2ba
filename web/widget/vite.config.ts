/** Builds the widget into one classic script, so that a shop adds one tag and nothing else. */

import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  build: {
    outDir: '../dist',
    emptyOutDir: false,
    target: 'es2022',
    lib: {
      entry: 'src/main.ts',
      name: 'ringdeskWidget',
      formats: ['iife'],
      fileName: () => 'widget.js',
    },
  },
});
