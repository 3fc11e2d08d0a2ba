/** Why nobody has the conversation any more, or why it is over, and what happens next: in plain words. */

import type { Assigned, Role, Talk } from '@ringdesk/client';
import type { Words } from './words.ts';

/** `talk` is how the conversation stood before; it names the agent who had it. */
export function reasonText(content: Assigned, talk: Talk, words: Words): string {
  switch (content.reason) {
    case 'agent_left':
      return talk.owed ? words.leftOwed(talk.agent) : words.leftAnswered(talk.agent);
    case 'agent_silent':
      return words.silent;
    case 'given_to_team':
      return words.toTeam(content.by ?? talk.agent, content.team ?? '');
    case 'closed':
      return words.nobodyThen;
    case 'queue_timeout':
      return words.nobodyFreeThen;
    default:
      // Declined, not accepted, and what a newer server knows: whoever waits need not know which.
      return words.givenBack;
  }
}

export function endText(content: { by: Role; reason?: string }, words: Words): string {
  if (content.reason === 'visitor_idle') return words.endedIdle;
  return content.by === 'visitor' ? words.endedByYou : words.ended;
}
