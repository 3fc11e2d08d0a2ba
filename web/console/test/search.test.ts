/** What the history view asks the server, and how it reads a conversation around a hit. */

import { expect, test } from 'vitest';
import type { WireEvent } from '@ringdesk/client';
import { ApiError } from '../src/api.ts';
import type { EventsPage, Hit } from '../src/api.ts';
import { addressed, isBlank, isNarrowed, NOTHING_ASKED } from '../src/search.ts';
import { problemOf, readOn, speaker } from '../src/search.ts';
import type { Days, Question } from '../src/search.ts';
import { dateAndClock } from '../src/text.ts';
import { speak } from '../src/words.ts';

// A place with days of 23 and 25 hours.
process.env.TZ = 'America/New_York';

const say = speak('en');

/** Any moment of a day stands for the day, as in the picker. */
function days(first: string | null, last: string | null): Days {
  const moment = (at: string | null): Date | null => (at === null ? null : new Date(at));
  return [moment(first), moment(last)] as unknown as Days;
}

test.each<[string, Partial<Question>, Record<string, string>]>([
  ['words are trimmed', { text: ' 退款 ' }, { q: '退款' }],
  ['filters that are empty are not sent', { text: 'a', visitor: ' ' }, { q: 'a' }],
  [
    'visitor and agent are',
    { text: 'a', visitor: ' customer-7 ', agent: '安娜' },
    { q: 'a', visitor: 'customer-7', agent: '安娜' },
  ],
  [
    'a day is the whole of it, on the own clock',
    { text: 'a', days: days('2026-07-01T15:00:00', '2026-07-01T15:00:00') },
    { q: 'a', from: ms('2026-07-01T04:00:00Z'), to: ms('2026-07-02T04:00:00Z') },
  ],
  [
    'the day on which the clocks go forward has 23 hours',
    { text: 'a', days: days('2026-03-08T12:00:00', '2026-03-08T12:00:00') },
    { q: 'a', from: ms('2026-03-08T05:00:00Z'), to: ms('2026-03-09T04:00:00Z') },
  ],
  [
    'either end may be open',
    { text: 'a', days: days(null, '2026-12-31T00:00:00') },
    { q: 'a', to: ms('2027-01-01T05:00:00Z') },
  ],
])('%s', (_, question, expected) => {
  const query = addressed({ ...NOTHING_ASKED, ...question });
  expect(Object.fromEntries(query)).toEqual({ limit: '20', ...expected });
});

function ms(at: string): string {
  return String(Date.parse(at));
}

test('the next page is asked for by the word of the last', () => {
  expect(addressed({ ...NOTHING_ASKED, text: 'a' }, '17').get('before')).toBe('17');
});

test('nothing is asked without a word, whatever the filters are', () => {
  expect(isBlank({ ...NOTHING_ASKED, text: '  ', visitor: 'customer-7' })).toBe(true);
  expect(isNarrowed(NOTHING_ASKED)).toBe(false);
  expect(isNarrowed({ ...NOTHING_ASKED, agent: 'mia' })).toBe(true);
});

test.each([
  [{ role: 'visitor', id: 'anon-1', name: '' }, 'Visitor'],
  [{ role: 'agent', id: 'mia', name: 'Mia' }, 'You'],
  [{ role: 'agent', id: 'leo', name: 'Leo' }, 'Leo'],
  [{ role: 'agent', id: 'leo', name: '' }, 'leo'],
  [{ role: 'system', id: '', name: '' }, 'Automatic'],
])('%o is called %s', (from, expected) => {
  expect(speaker({ event: { from } } as Hit, 'mia', say)).toBe(expected);
});

test('the server says what is wrong, and the console that it cannot be reached', () => {
  expect(problemOf(new ApiError(400, 'wrong_query', 'q must …', 0), say)).toBe('q must …');
  expect(problemOf(new ApiError(0, 'unreachable', 'TypeError', 0), say)).toContain('cannot be');
});

test('a time of another year says which', () => {
  const now = new Date('2026-11-24T12:00:00');
  expect(dateAndClock('2026-11-11T00:05:00', 'en', now)).toBe('Nov 11, 00:05');
  expect(dateAndClock('2025-11-11T00:05:00', 'zh', now)).toBe('2025年11月11日 00:05');
});

/** A conversation of so many events, of which the server gives at most `page` at once. */
function conversation(length: number, page: number): (after: number) => Promise<EventsPage> {
  return (after) => {
    const count = Math.max(0, Math.min(page, length - after));
    const events = Array.from({ length: count }, (_, at) => ({ seq: after + at + 1 }) as WireEvent);
    return Promise.resolve({ events, last_seq: length });
  };
}

test.each([
  ['a short conversation in one page', 7, 100, 0, 1000, [1, 7, false]],
  ['a long one in several', 700, 100, 0, 1000, [1, 700, false]],
  ['its middle', 700, 100, 200, 300, [201, 500, true]],
  ['its end', 700, 100, 690, 300, [691, 700, false]],
])('%s is read on', async (_, length, page, after, count, expected) => {
  const ask = conversation(length, page);
  const { events, more } = await readOn((at) => ask(at), after, count);
  expect([events[0]?.seq, events.at(-1)?.seq, more]).toEqual(expected);
  expect(events.every(({ seq }, at) => seq === after + at + 1)).toBe(true);
});

test('an answer without the rest ends the reading, which can go on later', async () => {
  const { events, more } = await readOn(() => Promise.resolve({ events: [], last_seq: 9 }), 3, 100);
  expect([events.length, more]).toEqual([0, true]);
});
