/** Which parts of a text become links, and which addresses are followed at all. */

import { expect, test } from 'vitest';
import { safeUrl, splitLinks } from '../src/index.ts';

test.each([
  ['nothing here', []],
  ['see https://a.test/x.', ['https://a.test/x']],
  ['(https://a.test/x)', ['https://a.test/x']],
  ['https://a.test/w_(x) and http://b.test', ['https://a.test/w_(x)', 'http://b.test']],
  ['请看https://a.test/茶，谢谢', ['https://a.test/茶']],
  ['javascript:alert(1) https://', []],
  ['<a href="https://a.test/">', ['https://a.test/']],
])('%s', (text, found) => {
  const parts = splitLinks(text);
  expect(parts.map((part) => part.text).join('')).toBe(text);
  expect(parts.filter((part) => 'href' in part).map((part) => part.text)).toEqual(found);
});

test.each([
  ['https://a.test/', 'https://a.test/'],
  ['/files/1', 'https://desk.test/files/1'],
  ['javascript:alert(1)', undefined],
  ['data:text/html,x', undefined],
  ['java\nscript:alert(1)', undefined],
])('%s leads to %s', (address, to) => {
  expect(safeUrl(address, 'https://desk.test/')).toBe(to);
});
