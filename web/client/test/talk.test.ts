/** What a row of events says about a conversation, told as stories. */

import { expect, test } from 'vitest';
import { foldAll } from '../src/index.ts';
import type { Talk, WireEvent } from '../src/index.ts';

type Told = Pick<WireEvent, 'kind' | 'content'> & { by?: 'agent' };

const says = (by?: 'agent'): Told => ({
  kind: 'message',
  content: { kind: 'text', text: 'words' },
  by,
});
const queue: Told = { kind: 'queue', content: { place: 2, waiting: 4, low_s: 60, high_s: 300 } };
const mia: Told = { kind: 'assigned', content: { agent: 'mia' } };
const nobody = (reason: string, opens_at?: string): Told => ({
  kind: 'assigned',
  content: { agent: null, reason, opens_at },
});
const closed: Told = { kind: 'closed', content: { by: 'agent' } };

function story(...told: Told[]): Talk {
  return foldAll(
    told.map(({ by, ...event }, at) => {
      const role = by ?? 'visitor';
      const from = { role, id: role, name: '' };
      return { type: 'event', conversation: 'c', seq: at + 1, at: '', from, ...event } as WireEvent;
    }),
  );
}

test.each([
  ['written', [says()], 'waiting', undefined],
  ['in line', [says(), queue], 'queued', undefined],
  ['served', [says(), queue, mia], 'serving', 'mia'],
  ['agent gone, owed a word', [says(), mia, nobody('agent_left')], 'queued', undefined],
  [
    'agent gone, answered',
    [says(), mia, says('agent'), nobody('agent_left')],
    'waiting',
    undefined,
  ],
  ['agent silent', [says(), mia, nobody('agent_silent')], 'queued', undefined],
  ['given to a team', [says(), mia, says('agent'), nobody('given_to_team')], 'queued', undefined],
  ['desk closed', [says(), nobody('closed')], 'waiting', undefined],
  ['over', [says(), mia, closed], 'closed', 'mia'],
] as const)('%s', (_name, told, phase, agent) => {
  expect(story(...told)).toMatchObject({ phase, agent });
});

test('in line it knows the place and how long it may last', () => {
  expect(story(says(), queue).queue).toEqual({ place: 2, waiting: 4, low_s: 60, high_s: 300 });
  expect(story(says(), queue, mia).queue).toBeUndefined();
});

test('an absence is known with its reason and end, and lasts over what is written into it', () => {
  const opens_at = '2026-11-25T01:00:00.000Z';
  const talk = story(says(), queue, nobody('closed', opens_at), says());
  expect(talk.nobody).toEqual({ seq: 3, reason: 'closed', opens_at });
  expect(talk.queue).toBeUndefined();
});

test.each([
  ['in line again', queue],
  ['taken up', mia],
  ['ended', closed],
] as const)('an absence is over when the conversation is %s', (_name, event) => {
  expect(story(says(), nobody('queue_timeout'), event).nobody).toBeUndefined();
});
