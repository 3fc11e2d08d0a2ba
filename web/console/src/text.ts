/** Turns times, people and contents into short words. Pure. */

import type { Content, WireEvent } from '@ringdesk/client';
import type { Summary } from './api.ts';
import type { Language, Say } from './words.ts';

const LOCALES: Record<Language, string> = { zh: 'zh-CN', en: 'en' };
/** Enough colours that neighbours in a list differ; each readable under white. */
const COLORS = [
  '#0f766e',
  '#1d4ed8',
  '#7c3aed',
  '#b45309',
  '#be185d',
  '#4d7c0f',
  '#0369a1',
  '#a21caf',
];

export function clock(at: string | number, language: Language): string {
  return new Date(at).toLocaleTimeString(LOCALES[language], {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
}

/** The year only where it is not this one. */
export function dateAndClock(at: string, language: Language, now = new Date()): string {
  const then = new Date(at);
  return then.toLocaleString(LOCALES[language], {
    ...(then.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' }),
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
}

export function dayKey(at: string): string {
  return new Date(at).toDateString();
}

export function day(at: string, now: Date, say: Say, language: Language): string {
  const then = new Date(at);
  if (then.toDateString() === now.toDateString()) return say('today');
  const before = new Date(now);
  before.setDate(now.getDate() - 1);
  if (then.toDateString() === before.toDateString()) return say('yesterday');
  return then.toLocaleDateString(LOCALES[language], {
    month: 'long',
    day: 'numeric',
    year: 'numeric',
  });
}

/** How long a visitor has waited for an answer, in the largest whole unit. */
export function waits(since_ms: number, now_ms: number, say: Say): string {
  const minutes = Math.floor((now_ms - since_ms) / 60_000);
  if (minutes < 1) return say('needsReply');
  const time = minutes < 60 ? say('minutes', minutes) : say('hours', Math.floor(minutes / 60));
  return say('needsAnswer', time);
}

/** The visitor's name, or what can be said of an anonymous one. */
export function visitorName(
  summary: Pick<Summary, 'name' | 'visitor'> | undefined,
  id: string,
  say: Say,
): string {
  if (summary?.name) return summary.name;
  const mark = (summary === undefined || summary.visitor === '' ? id : summary.visitor)
    .replace(/[^\p{L}\p{N}]/gu, '')
    .slice(-4);
  return say('visitor', mark.toUpperCase());
}

/** One or two letters to stand for a name: the first of each word, or the last two Chinese characters. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const first = words[0] ?? '';
  if (/\p{Script=Han}/u.test(first)) return Array.from(first).slice(-2).join('');
  const letters =
    words.length > 1 ? first.slice(0, 1) + (words.at(-1) ?? '').slice(0, 1) : first.slice(0, 2);
  return letters.toUpperCase();
}

/** The same colour for the same name, always. */
export function colorOf(name: string): string {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return COLORS[sum % COLORS.length] ?? '#0f766e';
}

export function contentLine(content: Content, say: Say): string {
  switch (content.kind) {
    case 'text':
      return content.text;
    case 'image':
      return `[${say('image')}] ${content.name ?? ''}`;
    case 'file':
      return `[${say('file')}] ${content.name}`;
    case 'card':
      return content.title;
    case 'order':
      return `${say('order')} ${content.number}`;
  }
}

/** Why nobody has a conversation any more, by the server's word for it. */
const LOST_WORDS = {
  agent_left: 'evAgentLeft',
  agent_silent: 'evAgentSilent',
  not_accepted: 'evNotAccepted',
  declined: 'evDeclined',
  given_to_team: 'evGivenToTeam',
  closed: 'evNobodyHere',
  queue_timeout: 'evQueueTimeout',
  bot_failed: 'evBotFailed',
} as const;

function isLostWord(reason: string): reason is keyof typeof LOST_WORDS {
  return Object.hasOwn(LOST_WORDS, reason);
}

/** What happened, for events that nobody said. */
export function eventLine(event: WireEvent, say: Say): string {
  switch (event.kind) {
    case 'assigned': {
      const { agent, takeover, reason = '', by = '', team = '' } = event.content;
      if (agent !== null) return say(takeover === true ? 'evTookOver' : 'evAssigned', agent);
      return say(isLostWord(reason) ? LOST_WORDS[reason] : 'evUnassigned', by, team);
    }
    case 'queue':
      return say('evQueue', event.content.place, event.content.waiting);
    case 'transferred':
      return say(
        event.content.takeover === true ? 'evTookOverFrom' : 'evTransferred',
        event.content.from,
        event.content.to,
      );
    case 'closed':
      if (event.content.reason === 'visitor_idle') return say('evVisitorIdle');
      return say(
        ({ visitor: 'evClosedVisitor', agent: 'evClosedAgent', system: 'evClosedSystem' } as const)[
          event.content.by
        ],
      );
    case 'rating': {
      const { score, text } = event.content;
      const stars = '★'.repeat(score) + '☆'.repeat(5 - score);
      return say('evRating', text ? `${stars} “${text}”` : stars);
    }
    case 'note':
      return event.from.role === 'system' ? say('evNotRated') : '';
    case 'message':
      return '';
  }
}

/** Why a conversation went to whom, in words; empty where it is not told. */
export function whyLine(event: WireEvent, say: Say): string {
  if (event.kind !== 'assigned' && event.kind !== 'transferred') return '';
  const { why } = event.content;
  const agent = event.kind === 'assigned' ? event.content.agent : event.content.to;
  if (why === undefined || agent === null) return '';
  const word = {
    last_agent: 'whyLastAgent',
    least_loaded: why.candidates === 1 ? 'whyOnlyOne' : 'whyLeastLoaded',
    transferred: 'whyTransferred',
    took_over: 'whyTookOver',
  } as const;
  const parts = [
    say(word[why.rule], agent, why.candidates, why.serving, why.capacity),
    say('whyTeam', why.team),
    say('whyWaited', duration(why.waited_ms, say)),
  ];
  return say('why', parts.join(' · '));
}

/** How long something lasts, in the largest whole unit. */
export function duration(ms: number, say: Say): string {
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return say('seconds', seconds);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? say('minutes', minutes) : say('hours', Math.floor(minutes / 60));
}

/** A time in milliseconds with as many digits as it is worth; a dash for none. */
export function precise(ms: number | null, say: Say): string {
  if (ms === null) return '–';
  return say('milliseconds', ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms));
}
