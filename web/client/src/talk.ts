/**
 * What a row of events says about a conversation: who serves it, its place in the queue, whether it is over.
 *
 * Pure; used by the widget and by the console.
 */

import type { Role, WireEvent } from './wire.ts';

export type Phase = 'new' | 'waiting' | 'queued' | 'serving' | 'closed';

export interface Talk {
  phase: Phase;
  /** The serving agent's name. */
  agent: string | undefined;
  /** Place in the queue, while it waits there. */
  queue: { place: number; waiting: number } | undefined;
  closedBy: Role | undefined;
  rating: { score: number; text?: string } | undefined;
}

export const TALK_NEW: Talk = {
  phase: 'new',
  agent: undefined,
  queue: undefined,
  closedBy: undefined,
  rating: undefined,
};

/** The state after one more event. */
export function fold(talk: Talk, event: WireEvent): Talk {
  switch (event.kind) {
    case 'message':
      return talk.phase === 'new' ? { ...talk, phase: 'waiting' } : talk;
    case 'queue':
      return { ...talk, phase: 'queued', agent: undefined, queue: event.content };
    case 'assigned': {
      const agent = event.content.agent ?? undefined;
      const phase = agent === undefined ? 'queued' : 'serving';
      return { ...talk, phase, agent, queue: undefined };
    }
    case 'transferred':
      return { ...talk, phase: 'serving', agent: event.content.to, queue: undefined };
    case 'closed':
      return { ...talk, phase: 'closed', queue: undefined, closedBy: event.content.by };
    case 'rating':
      return { ...talk, rating: event.content };
    case 'note':
      return talk;
  }
}

export function foldAll(events: readonly WireEvent[]): Talk {
  return events.reduce(fold, TALK_NEW);
}
