/** The supervisors' board as the API tells it, and what is made of its numbers. Pure. */

import type { PresenceState, SheddingStep } from '@ringdesk/client';
import { precise } from './text.ts';
import type { Say } from './words.ts';

export interface Waiting {
  count: number;
  /** How long the one has waited that has waited longest. */
  oldest_ms: number | null;
}

export interface TeamBoard {
  name: string;
  open: boolean;
  opens_at: string | null;
  waiting: Record<VisitorClass, Waiting>;
}

export interface AgentBoard {
  name: string;
  state: PresenceState;
  capacity: number;
  serving: number;
  teams: string[];
}

export interface Took {
  count: number;
  per_second: number;
  p50_ms: number | null;
  p99_ms: number | null;
}

export type VisitorClass = 'vip' | 'normal';
export type Reason = 'overloaded' | 'journal_full' | 'unavailable';
export type Percentiles = [p50_ms: number | null, p99_ms: number | null];

export interface Point {
  at: string;
  vip: Percentiles;
  normal: Percentiles;
}

export interface Board {
  at: string;
  teams: TeamBoard[];
  agents: AgentBoard[];
  shedding: { step: SheddingStep; shards: Record<SheddingStep, number> };
  messages: Record<VisitorClass | 'agent', Took>;
  refused: Record<VisitorClass, Record<Reason, number>>;
  points: Point[];
}

/** What the server gives up, the least first. */
export const STEPS = [
  ['none', 'stepNone'],
  ['typing', 'stepTyping'],
  ['bot', 'stepBot'],
  ['conversations', 'stepConversations'],
  ['messages', 'stepMessages'],
] as const;

/** Busiest first; of those with the same load, by name. */
export function byLoad(agents: readonly AgentBoard[]): AgentBoard[] {
  const load = (one: AgentBoard): number => one.serving / Math.max(1, one.capacity);
  return [...agents].sort((a, b) => load(b) - load(a) || a.name.localeCompare(b.name));
}

/** Refused messages by reason, those of both classes together; only reasons that occurred. */
export function refusals(refused: Board['refused']): [Reason, number][] {
  const reasons: Reason[] = ['overloaded', 'journal_full', 'unavailable'];
  return reasons
    .map((reason): [Reason, number] => [reason, refused.vip[reason] + refused.normal[reason]])
    .filter(([, count]) => count > 0);
}

/** The newest value of one class: of the last step in which it had a message. */
export function newestOf(
  points: readonly Point[],
  kind: VisitorClass,
  which: 0 | 1,
): number | null {
  return points.findLast((point) => point[kind][which] !== null)?.[kind][which] ?? null;
}

/** One class's line in words, for those who do not see it; empty where there was no message. */
export function lineInWords(
  points: readonly Point[],
  kind: VisitorClass,
  which: 0 | 1,
  say: Say,
): string {
  const values = points.map((point) => point[kind][which]).filter((value) => value !== null);
  const last = newestOf(points, kind, which);
  if (last === null) return '';
  const highest = Math.max(...values);
  return say('chartSummary', say(kind), precise(last, say), precise(highest, say));
}
