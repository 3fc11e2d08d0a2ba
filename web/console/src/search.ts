/** What the history view asks for and what it makes of the answers. Draws nothing. */

import type { WireEvent } from '@ringdesk/client';
import type { TimeRangePickerProps } from 'antd';
import type { EventsPage, Hit } from './api.ts';
import { ApiError } from './api.ts';
import type { Say } from './words.ts';

/** Hits of one page. */
export const HITS = 20;
/** Events read before a hit, and as many from it on; more of either side on demand. */
export const AROUND = 500;
/** Events asked for in one call. */
const EVENTS_PAGE = 250;

/** The first and the last day, both whole and of the agent's own clock. */
export type Days = NonNullable<TimeRangePickerProps['value']>;

export interface Question {
  text: string;
  visitor: string;
  agent: string | undefined;
  days: Days | undefined;
}

export const NOTHING_ASKED: Question = {
  text: '',
  visitor: '',
  agent: undefined,
  days: undefined,
};

export function isBlank(question: Question): boolean {
  return question.text.trim() === '';
}

export function isNarrowed({ visitor, agent, days }: Question): boolean {
  return visitor.trim() !== '' || agent !== undefined || days !== undefined;
}

/** The question as the address has it; `to` does not count itself, so it is the beginning of the day after. */
export function addressed(question: Question, before?: string): URLSearchParams {
  const { text, visitor, agent, days } = question;
  const query = new URLSearchParams({ q: text.trim(), limit: String(HITS) });
  if (visitor.trim() !== '') query.set('visitor', visitor.trim());
  if (agent !== undefined) query.set('agent', agent);
  const [first, last] = days ?? [];
  if (first) query.set('from', String(dayBegins(first.valueOf(), 0)));
  if (last) query.set('to', String(dayBegins(last.valueOf(), 1)));
  if (before !== undefined) query.set('before', before);
  return query;
}

/** Where a local day begins, so many days later. Days of 23 and 25 hours are days, too. */
function dayBegins(at_ms: number, later: number): number {
  const at = new Date(at_ms);
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() + later).getTime();
}

export function hitKey({ event }: Hit): string {
  return `${event.conversation}:${String(event.seq)}`;
}

/** Who said it, seen by this agent. */
export function speaker({ event }: Hit, me: string, say: Say): string {
  const { role, id, name } = event.from;
  if (role === 'visitor') return say('saidVisitor');
  if (role === 'system') return name || say('saidSystem');
  return id === me ? say('you') : name || id;
}

/** Why it did not work, in the server's words where it said any. */
export function problemOf(error: unknown, say: Say): string {
  if (error instanceof ApiError && error.status === 0) return say('unreachable');
  return error instanceof Error ? error.message : String(error);
}

/** Some events of a conversation, in their order. */
export interface Stretch {
  events: readonly WireEvent[];
  /** The conversation goes on after them. */
  more: boolean;
}

/** Reads page by page what comes after an event, until the conversation's end or so many. */
export async function readOn(
  ask: (after: number, limit: number) => Promise<EventsPage>,
  after: number,
  count: number,
): Promise<Stretch> {
  const events: WireEvent[] = [];
  let more = true;
  while (more && events.length < count) {
    const last = events.at(-1)?.seq ?? after;
    const page = await ask(last, Math.min(EVENTS_PAGE, count - events.length));
    events.push(...page.events);
    more = (page.events.at(-1)?.seq ?? last) < page.last_seq;
    if (page.events.length === 0) break; // The rest is not in SQL yet; it can be asked for again.
  }
  return { events, more };
}
