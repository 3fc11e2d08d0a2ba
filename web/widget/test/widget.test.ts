/** The widget's pure parts: which language, whose drawer, which ink on which colour, what sizes and waits are called. */

import { expect, test } from 'vitest';
import { bytesText } from '../src/bubbles.ts';
import { leftText } from '../src/leave.ts';
import { openStore, subjectOf } from '../src/storage.ts';
import { inkOn } from '../src/style.ts';
import { spanText, whenText } from '../src/wait.ts';
import { chooseLanguage, WORDS } from '../src/words.ts';

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

test.each([
  [{}, '', ''],
  [{ estimate_s: 4, low_s: 0, high_s: 11 }, 'about a minute', '大约 1 分钟'],
  [{ estimate_s: 60, low_s: 20, high_s: 190 }, 'up to about 4 minutes', '最多约 4 分钟'],
  [{ estimate_s: 180, low_s: 130, high_s: 290 }, 'about 2–5 minutes', '大约 2–5 分钟'],
  [{ estimate_s: 120 }, 'about 2 minutes', '大约 2 分钟'],
  [{ estimate_s: 600, low_s: 470, high_s: 1_210 }, 'about 7–25 minutes', '大约 7–25 分钟'],
  [
    { estimate_s: 3_000, low_s: 1_900, high_s: 4_000 },
    'about 30 minutes to 1.5 hours',
    '大约 30 分钟–1.5 小时',
  ],
  [{ estimate_s: 9_000, low_s: 7_201, high_s: 9_999 }, 'about 2–3 hours', '大约 2–3 小时'],
] as const)('an estimate of %j is %s', (estimate, en, zh) => {
  expect(spanText(estimate, WORDS.en)).toBe(en);
  expect(spanText(estimate, WORDS.zh)).toBe(zh);
});

test.each([
  ['2026-11-24T18:00', 'today at 18:00', '今天 18:00'],
  ['2026-11-25T09:00', 'tomorrow at 09:00', '明天 09:00'],
  ['2026-11-30T09:30', 'on Monday at 09:30', '星期一 09:30'],
  ['2026-12-07T09:00', 'on Monday, December 7 at 09:00', '12月7日星期一 09:00'],
])('seen from the evening of 24 November, %s is %s', (at, en, zh) => {
  const now = new Date('2026-11-24T17:10');
  expect(whenText(new Date(at), now, WORDS.en, 'en')).toBe(en);
  expect(whenText(new Date(at), now, WORDS.zh, 'zh')).toBe(zh);
});

test.each([
  [
    'a place and a span',
    WORDS.en.place(3, undefined, 'about 2–5 minutes'),
    'You are number 3 in line; about 2–5 minutes',
  ],
  ['a team', WORDS.en.next('returns', ''), 'You are next in line for returns'],
  [
    'a crowd',
    WORDS.en.crowd(11, 'about 4 minutes'),
    '11 people are before you; about 4 minutes. Your message is sent again by itself.',
  ],
  [
    'a place in Chinese',
    WORDS.zh.place(3, undefined, '大约 2–5 分钟'),
    '您排在第 3 位，前面还有 2 位，预计等候大约 2–5 分钟',
  ],
])('%s in words', (_name, text, wanted) => {
  expect(text).toBe(wanted);
});

test.each([
  ['ann@shop.test', 'E-mail: ann@shop.test', '邮箱：ann@shop.test'],
  ['+86 138-0000-0000', 'Phone: +86 138-0000-0000', '电话：+86 138-0000-0000'],
  ['微信 abc', 'Contact: 微信 abc', '联系方式：微信 abc'],
])('a message that was left names its lines, and %s for what it is', (contact, en, zh) => {
  expect(leftText(' my tin\nleaks ', ' Ann ', contact, WORDS.en)).toBe(
    `Message: my tin\nleaks\nName: Ann\n${en}`,
  );
  expect(leftText('漏了', '', contact, WORDS.zh)).toBe(`留言：漏了\n${zh}`);
});
