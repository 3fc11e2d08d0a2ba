/**
 * What a row of events says about a conversation: who serves it, its place in the queue, whether it is over.
 *
 * Pure; used by the widget and by the console.
 */

import type { Assigned, QueuePlace, Role, WireEvent } from './wire.ts';

export type Phase = 'new' | 'waiting' | 'queued' | 'serving' | 'closed';

export interface Talk {
  phase: Phase;
  /** The serving agent's name. */
  agent: string | undefined;
  /** Place in the queue, while it waits there. */
  queue: QueuePlace | undefined;
  /** The visitor had the last word, and nobody has answered it. */
  owed: boolean;
  /** Nobody is there, or nobody had time: a message may be left. */
  nobody: Nobody | undefined;
  closedBy: Role | undefined;
  rating: { score: number; text?: string } | undefined;
}

export interface Nobody {
  /** The event that said so. */
  seq: number;
  reason: 'closed' | 'queue_timeout';
  /** When somebody will be there, RFC 3339; absent where that is not known. */
  opens_at?: string;
}

export const TALK_NEW: Talk = {
  phase: 'new',
  agent: undefined,
  queue: undefined,
  owed: false,
  nobody: undefined,
  closedBy: undefined,
  rating: undefined,
};

/** The state after one more event. */
export function fold(talk: Talk, event: WireEvent): Talk {
  switch (event.kind) {
    case 'message':
      return {
        ...talk,
        phase: talk.phase === 'new' ? 'waiting' : talk.phase,
        owed: event.from.role === 'visitor',
      };
    case 'queue':
      return { ...talk, ...FREE, phase: 'queued', queue: event.content };
    case 'assigned': {
      const agent = event.content.agent ?? undefined;
      if (agent !== undefined) return { ...talk, ...FREE, phase: 'serving', agent };
      return { ...talk, ...FREE, ...withoutAgent(talk, event.seq, event.content) };
    }
    case 'transferred':
      return { ...talk, ...FREE, phase: 'serving', agent: event.content.to };
    case 'closed':
      return {
        ...talk,
        phase: 'closed',
        queue: undefined,
        nobody: undefined,
        closedBy: event.content.by,
      };
    case 'rating':
      return { ...talk, rating: event.content };
    case 'note':
      return talk;
  }
}

/** What any change of hands ends. */
const FREE = { agent: undefined, queue: undefined, nobody: undefined };

/** What becomes of a conversation that lost its agent, or that nobody takes. */
function withoutAgent(talk: Talk, seq: number, content: Assigned): Partial<Talk> {
  const { reason, opens_at } = content;
  if (reason === 'closed' || reason === 'queue_timeout') {
    return { phase: 'waiting', nobody: { seq, reason, opens_at } };
  }
  // What was answered waits for the visitor, and for nobody else.
  return { phase: reason === 'agent_left' && !talk.owed ? 'waiting' : 'queued' };
}

export function foldAll(events: readonly WireEvent[]): Talk {
  return events.reduce(fold, TALK_NEW);
}
