/** What the board and the canned replies make of what they are told, and the words for why. */

import { expect, test } from 'vitest';
import type { WireEvent } from '@ringdesk/client';
import { byLoad, lineInWords, refusals } from '../src/board.ts';
import type { AgentBoard, Board, Point } from '../src/board.ts';
import { asked, filled, fitting, OFFERED_MAX } from '../src/replies.ts';
import { duration, eventLine, precise, whyLine } from '../src/text.ts';
import { speak } from '../src/words.ts';

const say = speak('en');

test('a slash at the beginning asks for canned replies, and nothing else does', () => {
  expect(asked('/')).toBe('');
  expect(asked('/re fund')).toBe('re fund');
  for (const text of ['', 'a/b', ' /hi', '/hi\nthere']) expect(asked(text)).toBeUndefined();
});

test('replies are found by the beginning of the shortcut first, then by a part, then by the text', () => {
  const replies = [
    { shortcut: 'bye', text: 'Thank you, HI again soon' },
    { shortcut: 'ship', text: 'On its way' },
    { shortcut: 'hi', text: 'Hello' },
    { shortcut: '退款', text: '退款已提交' },
  ];
  const found = (query: string): string[] => fitting(replies, query).map((one) => one.shortcut);
  expect(found('hi')).toEqual(['hi', 'ship', 'bye']);
  expect(found('HI ')).toEqual(['hi', 'ship', 'bye']);
  expect(found('退')).toEqual(['退款']);
  expect(found('nothing')).toEqual([]);
  expect(found('')).toHaveLength(4);
  const many = Array.from({ length: 20 }, (_, at) => ({ shortcut: `x${String(at)}`, text: 'x' }));
  expect(fitting(many, 'x')).toHaveLength(OFFERED_MAX);
});

test('names are filled in everywhere, and what they say is not filled again', () => {
  expect(filled('{visitor}, I am {agent}. {visitor}! {other}', '{agent}', 'Mia $1')).toBe(
    '{agent}, I am Mia $1. {agent}! {other}',
  );
});

test('the busiest agent comes first', () => {
  const agent = (name: string, serving: number, capacity: number): AgentBoard => ({
    name,
    serving,
    capacity,
    state: 'ready',
    teams: [],
  });
  const agents = [agent('c', 1, 8), agent('b', 2, 4), agent('a', 1, 2), agent('none', 0, 0)];
  expect(byLoad(agents).map((one) => one.name)).toEqual(['a', 'b', 'c', 'none']);
});

test('only reasons that occurred are told, of both classes together', () => {
  const refused: Board['refused'] = {
    vip: { overloaded: 0, journal_full: 1, unavailable: 0 },
    normal: { overloaded: 0, journal_full: 2, unavailable: 0 },
  };
  expect(refusals(refused)).toEqual([['journal_full', 3]]);
});

test('a line is told in words as its newest and its highest value', () => {
  const points: Point[] = [
    { at: '', vip: [0.4, 12.34], normal: [null, null] },
    { at: '', vip: [0.5, 1.5], normal: [null, null] },
    { at: '', vip: [null, null], normal: [null, null] },
  ];
  expect(lineInWords(points, 'vip', 1, say)).toBe('VIP: now 1.50 ms, highest 12.3 ms');
  expect(lineInWords(points, 'normal', 1, say)).toBe('');
});

test('times have the unit and the digits that they are worth', () => {
  expect([59_999, 60_000, 3_600_000].map((ms) => duration(ms, say))).toEqual([
    '59 s',
    '1 min',
    '1 h',
  ]);
  expect([null, 0.415, 12.34, 123.4].map((ms) => precise(ms, say))).toEqual([
    '–',
    '0.41 ms',
    '12.3 ms',
    '123 ms',
  ]);
});

test('what happened and why is told in both languages', () => {
  const event = (kind: string, content: object): WireEvent =>
    ({
      type: 'event',
      conversation: 'c',
      seq: 1,
      at: '',
      from: { role: 'system' },
      kind,
      content,
    }) as WireEvent;
  const why = {
    rule: 'least_loaded',
    team: 'boots',
    serving: 2,
    capacity: 8,
    candidates: 3,
    waited_ms: 5_123,
  };
  const assigned = event('assigned', { agent: 'li', why });
  expect(whyLine(assigned, say)).toBe(
    'Why: li had the least to do of 3 who were free (2 of 8) · team boots · waited 5 s',
  );
  expect(whyLine(assigned, speak('zh'))).toBe(
    '分配原因：3 位空闲客服中 li 最空闲（2 / 8） · 团队 boots · 等待 5 秒',
  );
  expect(whyLine(event('assigned', { agent: 'li' }), say)).toBe('');
  const taken = event('transferred', { from: 'li', to: 'mia', takeover: true });
  expect(eventLine(taken, say)).toBe('mia took over from li');
  const given = event('assigned', {
    agent: null,
    reason: 'given_to_team',
    by: 'li',
    team: 'boots',
  });
  expect(eventLine(given, say)).toBe('li gave it to the team boots');
  expect(eventLine(event('assigned', { agent: null, reason: 'new word' }), say)).toBe(
    'Back in the queue',
  );
  expect(eventLine(event('assigned', { agent: null, reason: 'toString' }), say)).toBe(
    'Back in the queue',
  );
});
