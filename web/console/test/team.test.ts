/** A team's settings and its form say the same. */

import { expect, test } from 'vitest';
import { draftOf, periodsOf, settingsOf } from '../src/team.ts';
import type { TeamSettings } from '../src/team.ts';

const FULL: TeamSettings = {
  name: 'boots',
  members: [{ agent: 'li', capacity: 3 }, { agent: '王小明' }],
  hours: {
    zone: 'Asia/Shanghai',
    week: { monday: ['09:00-12:00', '13:00-18:00'] },
    special_days: { '2026-10-01': [], '2026-11-11': ['00:00-24:00'] },
  },
  overflow_after_s: 60,
  overflow_to: 'default',
  prefer_last_agent_s: 5_000,
  accept_within_s: 20,
};

test('what is opened and saved without a change is what it was', () => {
  const plain: TeamSettings = {
    name: 'default',
    overflow_after_s: 0,
    prefer_last_agent_s: 604_800,
    accept_within_s: 0,
  };
  for (const settings of [FULL, plain, { ...plain, members: [] }]) {
    expect(settingsOf(draftOf(settings, 'UTC'))).toEqual(settings);
  }
});

test('a new team is open always, and has a usual week where somebody wants hours', () => {
  const draft = { ...draftOf(undefined, 'Asia/Shanghai'), name: ' tea ' };
  expect(settingsOf(draft)).toEqual({
    name: 'tea',
    overflow_after_s: 0,
    prefer_last_agent_s: 604_800,
    accept_within_s: 0,
  });
  expect(settingsOf({ ...draft, always: false }).hours?.week).toEqual({
    monday: ['09:00-18:00'],
    tuesday: ['09:00-18:00'],
    wednesday: ['09:00-18:00'],
    thursday: ['09:00-18:00'],
    friday: ['09:00-18:00'],
  });
});

test('periods may be written as people write them', () => {
  for (const text of [
    '09:00-12:00, 13:00-18:00',
    '09:00 - 12:00,13:00–18:00',
    '09：00～12：00、13：00至18：00；',
    ' 09:00-12:00  13:00-18:00 ',
  ]) {
    expect(periodsOf(text)).toEqual(['09:00-12:00', '13:00-18:00']);
  }
  expect(periodsOf('  ')).toEqual([]);
  expect(periodsOf('nine')).toEqual(['nine']);
});
