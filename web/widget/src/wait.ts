/** How long and until when: seconds as careful spans of minutes and hours, moments as words of the visitor's own day. */

import type { Estimate } from '@ringdesk/client';
import { LOCALES, midnight, timeText } from './bubbles.ts';
import type { Language, Words } from './words.ts';

const DAY_MS = 86_400_000;
/** Up to this many days ahead a weekday says enough. */
const WEEKDAYS_AHEAD_MAX = 6;

/** What an estimate comes to, in words; empty where the desk knows too little. */
export function spanText(estimate: Estimate, words: Words): string {
  const { estimate_s, low_s = estimate_s, high_s = estimate_s } = estimate;
  if (low_s === undefined || high_s === undefined) return '';
  const high = Math.max(1, rounded(high_s, Math.ceil));
  return words.span(Math.min(high, rounded(low_s, Math.floor)), high);
}

/** To minutes, fives of minutes, half hours or hours, the coarser the longer; always away from the middle. */
function rounded(seconds: number, outward: (value: number) => number): number {
  const minutes = outward(seconds / 60);
  const step = [
    [10, 1],
    [60, 5],
    [120, 30],
  ].find(([until]) => minutes <= until!)?.[1];
  return outward(minutes / (step ?? 60)) * (step ?? 60);
}

/** A moment to come: today, tomorrow, a weekday or a date, with its time. */
export function whenText(at: Date, now: Date, words: Words, language: Language): string {
  const days = Math.round((midnight(at) - midnight(now)) / DAY_MS);
  const date: Intl.DateTimeFormatOptions =
    days <= WEEKDAYS_AHEAD_MAX
      ? { weekday: 'long' }
      : { weekday: 'long', month: 'long', day: 'numeric' };
  const day = ['today', 'tomorrow'][days] ?? at.toLocaleDateString(LOCALES[language], date);
  return words.at(timeText(at, language), day);
}
