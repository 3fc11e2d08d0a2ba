/** An agent's connection: many conversations, holes, reconnects, presence, refusals. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Agent, MemoryStore } from '../src/index.ts';
import { Double } from './double.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const wait = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

function work(server: Double, onTokenRefused = (): void => undefined): Agent {
  return new Agent({
    url: 'ws://test/ws',
    name: 'mia',
    token: 'secret',
    outbox: new MemoryStore(),
    connect: server.connect,
    random: () => 0.5,
    onTokenRefused,
  });
}

function texts(agent: Agent, conversation: string): string[] {
  return (agent.served.get(conversation)?.events ?? []).flatMap((event) =>
    event.kind === 'message' && event.content.kind === 'text' ? [event.content.text] : [],
  );
}

test('presence is said again on every connection', async () => {
  const server = new Double();
  const agent = work(server);
  agent.setPresence('ready', 5);
  agent.open();
  await wait(50);
  server.wire.cut();
  await wait(1000);
  expect(server.wires).toHaveLength(2);
  for (const wire of server.wires) {
    expect(wire.said[1]).toEqual({ type: 'presence', state: 'ready', capacity: 5 });
  }
});

test('a reconnect asks for each conversation from where it stopped', async () => {
  const server = new Double();
  const agent = work(server);
  agent.open();
  await wait(50);
  server.say('a', 'one');
  server.say('b', 'two');
  server.say('b', 'three');
  server.wire.cut();
  server.say('b', 'four');
  await wait(1000);
  expect(server.wire.said[0]).toMatchObject({ conversations: { a: 1, b: 2 } });
  expect(texts(agent, 'b')).toEqual(['two', 'three', 'four']);
});

test('a hole is asked for once, then taken as meant', async () => {
  const server = new Double();
  const agent = work(server);
  agent.open();
  await wait(50);
  const first = server.say('a', 'one');
  server.wire.conversation = ''; // The next two never arrive.
  server.say('a', 'two');
  server.say('a', 'three');
  server.wire.conversation = '*';
  server.say('a', 'four');
  await wait(1000);
  expect(server.wires).toHaveLength(2);
  expect(texts(agent, 'a')).toEqual(['one', 'two', 'three', 'four']);
  server.wire.tell({ ...first, seq: 9 });
  await wait(1000);
  server.wire.tell({ ...first, seq: 9 });
  await wait(1000);
  expect(server.wires).toHaveLength(3);
  expect(agent.served.get('a')?.seq).toBe(9);
});

test('replies in two conversations do not wait for each other', async () => {
  const server = new Double();
  const agent = work(server);
  agent.open();
  await wait(50);
  server.say('a', 'hello');
  server.say('b', 'hello');
  server.judge = (_wire, message) => (message.conversation === 'a' ? 'lose' : 'take');
  agent.say('a', { kind: 'text', text: 'stuck' });
  agent.say('b', { kind: 'text', text: 'through' });
  await wait(50);
  expect(texts(agent, 'b')).toEqual(['hello', 'through']);
  expect(agent.outbox.of('a')).toHaveLength(1);
});

test('a refused token ends it and tells', async () => {
  const server = new Double();
  const refused = vi.fn();
  const agent = work(server, refused);
  agent.open();
  await wait(50);
  server.wire.cut(4401);
  await wait(20_000);
  expect(refused).toHaveBeenCalledOnce();
  expect(server.wires).toHaveLength(1);
});

test('a refused transfer is a notice', async () => {
  const server = new Double();
  const agent = work(server);
  agent.open();
  await wait(50);
  agent.transfer('a', { agent: 'leo' });
  server.wire.tell({ type: 'refused', id: '', code: 'agent_unavailable', text: 'leo is full' });
  expect(agent.notice?.code).toBe('agent_unavailable');
});

test('colleagues come and go', async () => {
  const server = new Double();
  const agent = work(server);
  agent.open();
  await wait(50);
  const leo = { type: 'presence', agent: 'leo', capacity: 8, serving: 2 } as const;
  server.wire.tell({ ...leo, state: 'ready' });
  expect(agent.colleagues.get('leo')?.serving).toBe(2);
  server.wire.tell({ ...leo, state: 'gone' });
  expect(agent.colleagues.has('leo')).toBe(false);
});

test('what the server gives up is known until it says otherwise or the connection is another', async () => {
  const server = new Double();
  const agent = work(server);
  agent.open();
  await wait(50);
  server.wire.tell({ type: 'shedding', step: 'typing' });
  expect(agent.shedding).toBe('typing');
  server.wire.tell({ type: 'shedding', step: 'none' });
  expect(agent.shedding).toBe('none');
  server.wire.tell({ type: 'shedding', step: 'messages' });
  server.wire.cut();
  await wait(1000);
  expect(agent.shedding).toBe('none');
});

test('what is read along is asked for again on every connection, from where it stopped', async () => {
  const server = new Double();
  const agent = work(server);
  agent.open();
  await wait(50);
  agent.watch('a');
  expect(server.wire.said.at(-1)).toEqual({ type: 'watch', conversation: 'a', after: 0 });
  server.say('a', 'one');
  server.wire.cut();
  await wait(1000);
  expect(server.wire.said.slice(1)).toEqual([
    { type: 'presence', state: 'away', capacity: 8 },
    { type: 'watch', conversation: 'a', after: 1 },
  ]);
  agent.unwatch('a');
  agent.unwatch('a');
  server.wire.cut();
  await wait(1000);
  expect(server.wire.said.map((message) => message.type)).toEqual(['hello', 'presence']);
});

test('an assignment waits to be accepted until it is, or is answered', async () => {
  vi.setSystemTime('2026-11-11T08:00:00.000Z');
  const server = new Double();
  const agent = work(server);
  agent.open();
  await wait(50);
  const given = (seq: number, to: string, accept_within_s?: number): void => {
    server.wire.tell({
      type: 'event',
      conversation: 'a',
      seq,
      at: '2026-11-11T08:00:00.000Z',
      from: { role: 'system', id: '', name: '' },
      kind: 'assigned',
      content: { agent: to, ...(accept_within_s === undefined ? {} : { accept_within_s }) },
    });
  };
  given(1, 'mia', 20);
  expect(agent.acceptUntil('a')).toBe(Date.parse('2026-11-11T08:00:20.000Z'));
  agent.accept('a');
  expect(server.wire.said.at(-1)).toEqual({ type: 'accept', conversation: 'a' });
  expect(agent.acceptUntil('a')).toBe(0);
  given(2, 'leo', 20);
  expect(agent.acceptUntil('a')).toBe(0);
  given(3, 'mia', 20);
  expect(agent.acceptUntil('a')).toBeGreaterThan(0);
  server.wire.tell({
    type: 'event',
    conversation: 'a',
    seq: 4,
    at: '2026-11-11T08:00:05.000Z',
    from: { role: 'agent', id: 'mia', name: 'mia' },
    kind: 'message',
    content: { kind: 'text', text: 'hello' },
  });
  expect(agent.acceptUntil('a')).toBe(0);
  given(5, 'mia');
  expect(agent.acceptUntil('a')).toBe(0);
});

test('a transfer says to whom, and a remark only if there is one', async () => {
  const server = new Double();
  const agent = work(server);
  agent.open();
  await wait(50);
  agent.transfer('a', { team: 'returns' }, ' angry ');
  agent.transfer('a', { agent: 'leo' }, ' ');
  expect(server.wire.said.slice(-2)).toEqual([
    { type: 'transfer', conversation: 'a', team: 'returns', note: 'angry' },
    { type: 'transfer', conversation: 'a', agent: 'leo' },
  ]);
});

test('a whisper is sent until it is acknowledged', async () => {
  const server = new Double();
  const agent = work(server);
  agent.open();
  await wait(50);
  agent.whisper('a', 'offer a refund');
  const { id } = agent.outbox.all()[0] ?? { id: '' };
  expect(server.wire.said.at(-1)).toEqual({
    type: 'whisper',
    id,
    conversation: 'a',
    text: 'offer a refund',
  });
  server.wire.tell({ type: 'ack', id, seq: 1, at: '2026-11-11T08:00:00.000Z' });
  expect(agent.outbox.all()).toHaveLength(0);
});
