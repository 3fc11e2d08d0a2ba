// @vitest-environment jsdom
/** The card for when nobody is there, on a desk that is closed, opens, and fails. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MemoryStore, Visitor } from '@ringdesk/client';
import { Double } from '../../client/test/double.ts';
import { Leave } from '../src/leave.ts';
import { WORDS } from '../src/words.ts';

const NINE = '2026-11-25T09:00:00.000Z';

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-24T22:00:00.000Z') });
});
afterEach(() => {
  vi.useRealTimers();
});

const wait = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** A visitor who wrote to a closed desk, and the card that is shown then. */
async function closedDesk(opens_at?: string) {
  const server = new Double();
  const visitor = new Visitor({
    url: 'ws://test/ws',
    site: 'default',
    page: () => 'https://shop.test/',
    store: {
      load: () => undefined,
      save: () => undefined,
      outbox: new MemoryStore(),
      watch: () => undefined,
    },
    connect: server.connect,
  });
  const leave = new Leave({
    visitor,
    words: WORDS.en,
    language: 'en',
    changed: () => {
      leave.render();
    },
  });
  visitor.subscribe(() => {
    leave.render();
  });
  visitor.say({ kind: 'text', text: 'anybody?' });
  await wait(50);
  server.emit('c1', { kind: 'assigned', content: { agent: null, reason: 'closed', opens_at } });
  await wait(50);
  const field = (name: string): HTMLInputElement => leave.element.querySelector(name)!;
  const press = (): void => {
    leave.element.querySelector('form')?.dispatchEvent(new Event('submit'));
  };
  const shown = (): string =>
    [...leave.element.querySelectorAll<HTMLElement>('b,p')]
      .filter((node) => !node.hidden)
      .map((node) => node.textContent)
      .join(' | ');
  return { server, visitor, leave, field, press, shown };
}

test('the form begins with what was said and not answered', async () => {
  const { leave, field } = await closedDesk();
  expect(leave.asks).toBe(true);
  expect(field('textarea').value).toBe('anybody?');
});

test('when the hour has come it says so, and the composer is back with what was begun', async () => {
  const { leave, field, shown } = await closedDesk(NINE);
  expect(shown()).toMatch(/^Nobody is here right now \| We are back .* \(your time\)\. Leave a/);
  field('textarea').value = 'anybody? My tin leaks.';
  await wait(11 * 3_600_000);
  expect(shown()).toBe('Somebody should be here by now. Just write.');
  expect(leave.asks).toBe(false);
  expect(leave.takeDraft()).toBe('anybody? My tin leaks.');
  expect(leave.takeDraft()).toBe('');
});

test('who leaves no way to answer is asked for one once, and not held up', async () => {
  const { server, press, shown } = await closedDesk();
  press();
  expect(shown()).toContain('Would you add one?');
  press();
  await wait(50);
  expect(server.texts('c1')).toEqual(['anybody?', 'Message: anybody?']);
  expect(shown()).toBe('Thank you, we have your message and will answer as soon as we can.');
});

test('what looks like no way to answer is asked about, and another doubt is another question', async () => {
  const { server, field, press, shown } = await closedDesk();
  press();
  field('[autocomplete=email]').value = 'at the shop';
  press();
  expect(shown()).toContain('does not look like a phone number');
  press();
  await wait(50);
  expect(server.texts('c1').at(-1)).toBe('Message: anybody?\nContact: at the shop');
});

test('an empty message is not sent', async () => {
  const { server, field, press } = await closedDesk();
  field('textarea').value = '  \n';
  field('[autocomplete=email]').value = 'ann@shop.test';
  press();
  await wait(50);
  expect(server.texts('c1')).toEqual(['anybody?']);
});

test('the state of the message is told as it is: under way, put off, refused, and written anew', async () => {
  const { server, visitor, leave, field, press, shown } = await closedDesk();
  field('[autocomplete=email]').value = 'ann@shop.test';
  server.judge = () => 'lose';
  press();
  expect(shown()).toContain('Sending your message…');
  server.wire.cut();
  await wait(20);
  expect(shown()).toContain('You are not connected.');
  const refused = { type: 'refused', code: 'overloaded', text: 'busy' } as const;
  server.judge = (_wire, message) => ({
    ...refused,
    id: message.id as string,
    retry_after_ms: 100_000,
  });
  await wait(1_000);
  expect(shown()).toContain('sent again by itself');
  server.judge = (_wire, message) => ({ ...refused, code: 'bad_field', id: message.id as string });
  server.wire.cut();
  await wait(5_000);
  expect(shown()).toContain('was not taken');
  visitor.discard(visitor.left ?? '');
  await wait(50);
  expect(leave.asks).toBe(true);
});

test('an agent who takes it up ends the absence', async () => {
  const { server, leave } = await closedDesk();
  server.emit('c1', { kind: 'assigned', content: { agent: 'mia' } });
  await wait(50);
  expect(leave.element.hidden).toBe(true);
});
