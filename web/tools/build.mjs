/**
 * Builds everything into `dist/`, with a gzipped sibling of each file that gains by it.
 *
 * The server embeds `dist/` and sends the sibling to browsers that take gzip, so nothing is compressed twice.
 * Fails when the widget has grown past what a shop's page should bear.
 */

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import { build } from 'vite';

const WIDGET_GZIP_BYTES_MAX = 25 * 1024;
const COMPRESSIBLE = /\.(js|css|html|svg|json|txt|webmanifest)$/;

const web = join(import.meta.dirname, '..');
const dist = join(web, 'dist');

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
await build({ configFile: join(web, 'widget/vite.config.ts'), logLevel: 'warn' });
await build({ configFile: join(web, 'console/vite.config.ts'), logLevel: 'warn' });
cpSync(join(web, 'demo/public'), join(dist, 'demo'), { recursive: true });

const sizes = compress(dist);
for (const [path, raw, packed] of sizes) {
  console.log(`${path.slice(dist.length + 1).padEnd(48)} ${kib(raw)} ${kib(packed)} gzip`);
}
const total = sizes.reduce((sum, [, , packed]) => sum + packed, 0);
console.log(`${'all, as embedded'.padEnd(48)} ${' '.repeat(11)} ${kib(total)} gzip`);

const widget = sizes.find(([path]) => path === join(dist, 'widget.js'))?.[2] ?? Infinity;
if (widget > WIDGET_GZIP_BYTES_MAX) {
  console.error(
    `widget.js is ${widget} bytes gzipped, over its limit of ${WIDGET_GZIP_BYTES_MAX}: find what grew it and take it out`,
  );
  process.exit(1);
}

/** Writes the siblings; answers [path, bytes, gzipped bytes] of each file. */
function compress(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return compress(path);
    const raw = readFileSync(path);
    if (!COMPRESSIBLE.test(entry.name)) return [[path, raw.length, raw.length]];
    const packed = gzipSync(raw, { level: constants.Z_BEST_COMPRESSION });
    writeFileSync(`${path}.gz`, packed);
    return [[path, raw.length, packed.length]];
  });
}

function kib(bytes) {
  return `${(bytes / 1024).toFixed(1).padStart(7)} KiB`;
}
