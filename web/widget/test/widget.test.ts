/** The widget's pure parts: which language, whose drawer, which ink on which colour, what a size is called. */

import { expect, test } from 'vitest';
import { bytesText } from '../src/bubbles.ts';
import { openStore, subjectOf } from '../src/storage.ts';
import { inkOn } from '../src/style.ts';
import { chooseLanguage } from '../src/words.ts';

test.each([
  ['auto', ['zh-CN', 'en'], 'zh'],
  ['auto', ['fr-FR', 'zh-TW'], 'zh'],
  ['auto', ['fr-FR'], 'en'],
  ['zh', ['en-US'], 'zh'],
  ['en-GB', ['zh-CN'], 'en'],
  [undefined, ['zh-Hans-CN'], 'zh'],
  ['', [], 'en'],
] as const)('asked for %s in a browser of %j, it speaks %s', (asked, browser, language) => {
  expect(chooseLanguage(asked, browser)).toBe(language);
});

const token = (claims: object): string =>
  `head.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.sign`;

test.each([
  [undefined, ''],
  ['', ''],
  ['not a token', ''],
  ['a.!!!.c', ''],
  [token({ sub: 'customer-7' }), 'customer-7'],
  [token({ sub: '王小明', name: '王' }), '王小明'],
  [token({ sub: 7 }), ''],
])('the drawer of %s is "%s"', (given, who) => {
  expect(subjectOf(given)).toBe(who);
});

test.each([
  ['#0b6b57', '#ffffff'],
  ['#ffd54f', '#10151c'],
  ['#000000', '#ffffff'],
  ['red', undefined],
])('on %s the ink is %s', (color, ink) => {
  expect(inkOn(color)).toBe(ink);
});

test.each([
  [17, '17 B'],
  [2048, '2 KB'],
  [5_242_880, '5.0 MB'],
])('%i bytes are %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test('without storage the page remembers for itself', () => {
  const store = openStore(undefined, 'default', '');
  store.save({ since: 1, seq: 3, read: 0, events: [], conversation: 'c1' });
  const body = { type: 'message', content: { kind: 'text', text: 'hi' } } as const;
  store.outbox.put({ id: 'a', conversation: 'c1', at: 1, body });
  expect(store.load()?.conversation).toBe('c1');
  expect(store.outbox.load()).toHaveLength(1);
  store.outbox.remove('a');
  expect(store.outbox.load()).toEqual([]);
});
