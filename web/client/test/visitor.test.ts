/** A visitor's messages and events over a network that fails: none lost, none twice, all in order. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MemoryStore, Visitor } from '../src/index.ts';
import type { VisitorOptions, VisitorRecord, VisitorStore } from '../src/index.ts';
import { dice, Double } from './double.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** One browser's storage; each `store()` is a tab. */
class Browser {
  record: string | undefined;
  readonly outbox = new MemoryStore();
  private readonly tabs: (() => void)[] = [];

  store(): VisitorStore {
    const own = this.tabs.length;
    const others = (): void => {
      this.tabs.forEach((changed, at) => {
        if (at !== own) setTimeout(changed, 1);
      });
    };
    this.tabs.push(() => undefined);
    return {
      load: () =>
        this.record === undefined ? undefined : (JSON.parse(this.record) as VisitorRecord),
      save: (record) => {
        this.record = JSON.stringify(record);
        others();
      },
      outbox: {
        load: () => this.outbox.load(),
        put: (entry) => {
          this.outbox.put(entry);
          others();
        },
        remove: (id) => {
          this.outbox.remove(id);
          others();
        },
      },
      watch: (changed) => {
        this.tabs[own] = changed;
      },
    };
  }
}

function visit(
  server: Double,
  store = new Browser().store(),
  random = () => 0.5,
  more: Partial<VisitorOptions> = {},
): Visitor {
  return new Visitor({
    url: 'ws://test/ws',
    site: 'default',
    page: () => 'https://shop.test/',
    store,
    connect: server.connect,
    random,
    ...more,
  });
}

function say(visitor: Visitor, ...texts: string[]): void {
  for (const text of texts) visitor.say({ kind: 'text', text });
}

function shown(visitor: Visitor): string[] {
  return visitor.events.flatMap((event) =>
    event.kind === 'message' && event.content.kind === 'text' ? [event.content.text] : [],
  );
}

const wait = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

test('messages arrive in the order they were written', async () => {
  const server = new Double();
  const visitor = visit(server);
  say(visitor, 'one', 'two', 'three');
  await wait(50);
  expect(server.texts('c1')).toEqual(['one', 'two', 'three']);
  expect(shown(visitor)).toEqual(['one', 'two', 'three']);
  expect(visitor.outbox.all()).toEqual([]);
  expect(visitor.accepted.size).toBe(0);
});

test('a message is shown as sent only after the server said so', async () => {
  const server = new Double();
  const visitor = visit(server);
  server.judge = () => 'lose';
  say(visitor, 'one');
  await wait(50);
  expect(visitor.outbox.all()).toHaveLength(1);
  expect(visitor.accepted.size).toBe(0);
});

test('what was unacknowledged at a cut is sent again with the same ids, in order', async () => {
  const server = new Double();
  const visitor = visit(server);
  visitor.open();
  await wait(50);
  server.stored = (wire) => {
    wire.cut(); // Stored, but the visitor never hears of it.
  };
  say(visitor, 'one', 'two');
  server.stored = () => undefined;
  await wait(1000);
  expect(server.texts('c1')).toEqual(['one', 'two']);
  expect(shown(visitor)).toEqual(['one', 'two']);
  expect(visitor.outbox.all()).toEqual([]);
});

test('events missed while away come once after the resume', async () => {
  const server = new Double();
  const visitor = visit(server);
  say(visitor, 'hello');
  await wait(50);
  server.say('c1', 'before');
  server.wire.cut();
  server.say('c1', 'meanwhile');
  await wait(1000);
  server.say('c1', 'after');
  await wait(50);
  expect(shown(visitor)).toEqual(['hello', 'before', 'meanwhile', 'after']);
  expect(server.wire.said[0]).toMatchObject({ type: 'hello', conversation: 'c1', after: 2 });
});

test('an event that comes twice is shown once', async () => {
  const server = new Double();
  const visitor = visit(server);
  say(visitor, 'hello');
  await wait(50);
  const event = server.say('c1', 'only once');
  server.wire.tell(event);
  expect(shown(visitor)).toEqual(['hello', 'only once']);
});

test('a message to a closed conversation goes into a new one', async () => {
  const server = new Double();
  const visitor = visit(server);
  say(visitor, 'first');
  await wait(50);
  // Closed, and the visitor has not heard of it yet.
  server.wire.conversation = '';
  server.emit('c1', { kind: 'closed', content: { by: 'agent' } });
  server.wire.conversation = 'c1';
  say(visitor, 'second');
  await wait(100);
  expect(visitor.conversation).toBe('c2');
  expect(server.texts('c2')).toEqual(['second']);
  expect(shown(visitor)).toEqual(['first', 'second']);
});

test('writing after the end begins a new conversation at once', async () => {
  const server = new Double();
  const visitor = visit(server);
  say(visitor, 'first');
  await wait(50);
  server.emit('c1', { kind: 'closed', content: { by: 'agent' } });
  expect(visitor.talk.phase).toBe('closed');
  say(visitor, 'second');
  await wait(100);
  expect(server.texts('c2')).toEqual(['second']);
  expect(visitor.talk.phase).toBe('waiting');
});

test('a refused message that may be tried again is not overtaken', async () => {
  const server = new Double();
  const visitor = visit(server);
  visitor.open();
  await wait(50);
  let refusals = 2;
  server.judge = (_wire, message) => {
    if (refusals === 0) return 'take';
    refusals -= 1;
    const id = message.id as string;
    return { type: 'refused', id, code: 'overloaded', text: 'busy', retry_after_ms: 500 };
  };
  say(visitor, 'one', 'two');
  await wait(400);
  expect(server.texts('c1')).toEqual([]);
  const [first, second] = visitor.outbox.all().map((entry) => visitor.waits(entry.id));
  expect([first, second]).toEqual([true, false]);
  await wait(1200);
  expect(server.texts('c1')).toEqual(['one', 'two']);
});

test('a message refused for good is kept for the person to decide, and the next goes on', async () => {
  const server = new Double();
  const visitor = visit(server);
  server.judge = (_wire, message) =>
    JSON.stringify(message).includes('bad')
      ? { type: 'refused', id: message.id as string, code: 'too_long', text: 'too long' }
      : 'take';
  say(visitor, 'bad', 'good');
  await wait(50);
  expect(server.texts('c1')).toEqual(['good']);
  expect(visitor.outbox.all()[0]?.failure?.code).toBe('too_long');
  server.judge = () => 'take';
  visitor.retry(visitor.outbox.all()[0]?.id ?? '');
  await wait(50);
  expect(server.texts('c1')).toEqual(['good', 'bad']);
});

test('a message unanswered for eight seconds ends the connection and goes out on the next', async () => {
  const server = new Double();
  const visitor = visit(server);
  visitor.open();
  await wait(50);
  server.judge = () => 'lose';
  say(visitor, 'into the void');
  await wait(7_900);
  expect(server.wires).toHaveLength(1);
  server.judge = () => 'take';
  await wait(1_000);
  expect(server.wires).toHaveLength(2);
  expect(server.texts('c1')).toEqual(['into the void']);
});

test('a page load goes on where the last page stopped', async () => {
  const server = new Double();
  const browser = new Browser();
  const first = visit(server, browser.store());
  say(first, 'one');
  await wait(500);
  server.judge = () => 'lose';
  say(first, 'two');
  first.link.disconnect(); // The page is gone before the answer.
  server.judge = () => 'take';
  const second = visit(server, browser.store());
  expect(second.pending).toBe(true);
  expect(shown(second)).toEqual(['one']);
  second.open();
  await wait(500);
  expect(server.texts('c1')).toEqual(['one', 'two']);
  expect(shown(second)).toEqual(['one', 'two']);
  expect(server.wire.said[0]).toMatchObject({ token: 'anonymous', conversation: 'c1', after: 1 });
});

test('two tabs show the same and send everything once', async () => {
  const server = new Double();
  const browser = new Browser();
  const left = visit(server, browser.store());
  say(left, 'one');
  await wait(500);
  const right = visit(server, browser.store());
  right.open();
  await wait(100);
  for (const wire of server.wires) wire.cut();
  say(left, 'two');
  say(right, 'three');
  await wait(3000);
  expect(server.texts('c1').sort()).toEqual(['one', 'three', 'two']);
  expect(shown(left)).toEqual(server.texts('c1'));
  expect(shown(right)).toEqual(server.texts('c1'));
  expect(left.outbox.all()).toEqual([]);
  expect(right.outbox.all()).toEqual([]);
});

test('a refused anonymous token is forgotten and the visitor begins anew', async () => {
  const server = new Double();
  const browser = new Browser();
  const first = visit(server, browser.store());
  say(first, 'one');
  await wait(500);
  server.wire.cut(4401);
  await wait(2000);
  expect(server.wire.said[0]).not.toHaveProperty('token');
  expect(first.link.state.name).toBe('open');
});

test('unread counts what the desk said and the person has not seen', async () => {
  const server = new Double();
  const visitor = visit(server);
  say(visitor, 'hello');
  await wait(50);
  server.say('c1', 'a');
  server.say('c1', 'b');
  expect(visitor.unread).toBe(2);
  visitor.markRead();
  expect(visitor.unread).toBe(0);
  expect(server.wire.said.at(-1)).toEqual({ type: 'read', seq: 3 });
});

test('a refusal for want of room tells what a new conversation would have to wait', async () => {
  const server = new Double();
  const visitor = visit(server);
  server.judge = (_wire, message) => ({
    type: 'refused',
    id: message.id as string,
    code: 'overloaded',
    text: 'busy',
    retry_after_ms: 500,
    place: 12,
    estimate_s: 240,
  });
  say(visitor, 'one');
  await wait(400);
  expect(visitor.crowd).toMatchObject({ place: 12, estimate_s: 240 });
  server.judge = () => 'take';
  await wait(1000);
  expect(server.texts('c1')).toEqual(['one']);
  expect(visitor.crowd).toBeUndefined();
});

test('a refusal without an id is known as one of no message', async () => {
  const server = new Double();
  const visitor = visit(server);
  say(visitor, 'one');
  await wait(50);
  const refused = { type: 'refused', code: 'wrong_state', text: 'not now' };
  server.wire.onmessage?.({ data: JSON.stringify(refused) });
  expect(visitor.notice?.code).toBe('wrong_state');
});

test('a message that was left is known again after a page load', async () => {
  const server = new Double();
  const browser = new Browser();
  const first = visit(server, browser.store());
  say(first, 'anybody?');
  await wait(50);
  server.emit('c1', { kind: 'assigned', content: { agent: null, reason: 'closed' } });
  first.leave('Message: my tin leaks');
  await wait(500);
  first.link.disconnect();
  const second = visit(server, browser.store());
  expect(second.left).toBe(server.journal('c1').at(-1)?.id);
  expect(shown(second)).toEqual(['anybody?', 'Message: my tin leaks']);
});

test('a rating is told once, however often the button is pressed', async () => {
  const server = new Double();
  const visitor = visit(server);
  say(visitor, 'one');
  await wait(50);
  visitor.giveRating(5, 'quick');
  visitor.giveRating(1, '');
  await wait(50);
  expect(ratings(server)).toEqual([{ type: 'rate', score: 5, text: 'quick' }]);
});

test('a rating that was cut off is told again, also by the next page', async () => {
  const server = new Double();
  const browser = new Browser();
  const first = visit(server, browser.store());
  say(first, 'one');
  await wait(500);
  server.emit('c1', { kind: 'closed', content: { by: 'agent' } });
  first.giveRating(4, '');
  first.link.disconnect(); // The page is gone, and nobody knows whether the server heard it.
  const second = visit(server, browser.store());
  expect(second.pending).toBe(true);
  second.open();
  await wait(500);
  expect(ratings(server)).toHaveLength(2);
  server.emit('c1', { kind: 'rating', content: { score: 4 } });
  await wait(500);
  expect(second.ratingUnderway).toBeUndefined();
  expect(second.talk.rating).toEqual({ score: 4 });
  expect(visit(server, browser.store()).pending).toBe(false);
});

test('a rating that is there already is no trouble', async () => {
  const server = new Double();
  const visitor = visit(server);
  say(visitor, 'one');
  await wait(50);
  visitor.giveRating(4, '');
  server.wire.tell({ type: 'refused', id: '', code: 'already_rated', text: 'once' });
  expect(visitor.ratingUnderway).toBeUndefined();
  expect(visitor.notice).toBeUndefined();
});

test('what an agent has read stays read over a page load', async () => {
  const server = new Double();
  const browser = new Browser();
  const first = visit(server, browser.store());
  say(first, 'one');
  await wait(50);
  server.wire.tell({ type: 'read', conversation: 'c1', role: 'agent', seq: 1 });
  await wait(500);
  expect(visit(server, browser.store()).readByAgent).toBe(1);
});

test('the team that the page is for is asked for', async () => {
  const server = new Double();
  const visitor = visit(server, new Browser().store(), () => 0.5, { team: 'returns' });
  visitor.open();
  await wait(50);
  expect(server.wire.said[0]).toMatchObject({ type: 'hello', team: 'returns' });
});

test('what is being written goes out only where the page has switched that on', async () => {
  const server = new Double();
  const visitor = visit(server);
  visitor.open();
  await wait(50);
  visitor.typing('my secret');
  expect(typings(server)).toEqual([{ type: 'typing' }]);
});

test('who writes on at once after a message is seen to type again', async () => {
  const server = new Double();
  const visitor = visit(server);
  visitor.open();
  await wait(50);
  visitor.typing('one');
  visitor.typing('one more');
  say(visitor, 'one more');
  visitor.typing('and');
  expect(typings(server)).toHaveLength(2);
});

test('a preview ends with the newest words, and not behind the message', async () => {
  const server = new Double();
  const visitor = visit(server, new Browser().store(), () => 0.5, { preview: true });
  visitor.open();
  await wait(50);
  for (const draft of ['m', 'my', 'my tin', `${'茶'.repeat(200)}!`]) visitor.typing(draft);
  await wait(3_000);
  const texts = typings(server).map(({ text }) => text);
  expect(texts).toEqual(['m', `${'茶'.repeat(127)}!`]);
  visitor.typing('half');
  visitor.typing('half a sent');
  say(visitor, 'half a sentence');
  await wait(3_000);
  expect(typings(server).map(({ text }) => text)).toEqual([...texts, 'half']);
});

function ratings(server: Double): unknown[] {
  return server.wires.flatMap((wire) => wire.said).filter(({ type }) => type === 'rate');
}

function typings(server: Double): { type: string; text?: unknown }[] {
  return server.wires.flatMap((wire) => wire.said).filter(({ type }) => type === 'typing');
}

test.each(Array.from({ length: 60 }, (_, seed) => seed))(
  'nothing is lost, doubled or out of order on a bad network (seed %i)',
  async (seed) => {
    const roll = dice(seed);
    const server = new Double();
    const visitor = visit(server, new Browser().store(), roll);
    server.judge = (wire, message) => {
      const luck = roll();
      if (luck < 0.1) wire.cut();
      if (luck < 0.15) return 'lose';
      if (luck > 0.9) {
        const id = message.id as string;
        return { type: 'refused', id, code: 'overloaded', text: 'busy', retry_after_ms: 200 };
      }
      return 'take';
    };
    server.stored = (wire) => {
      if (roll() < 0.15) wire.cut();
    };
    const written: string[] = [];
    for (let at = 0; at < 30; at += 1) {
      const text = `visitor ${String(at)}`;
      written.push(text);
      say(visitor, text);
      if (roll() < 0.5 && server.journals.has('c1')) server.say('c1', `agent ${String(at)}`);
      if (roll() < 0.1 && server.wires.length > 0) server.wire.cut();
      server.reachable = roll() > 0.2;
      await wait(Math.floor(roll() * 400));
    }
    server.reachable = true;
    server.judge = () => 'take';
    server.stored = () => undefined;
    await wait(60_000);
    expect(server.texts('c1').filter((text) => text.startsWith('visitor'))).toEqual(written);
    expect(shown(visitor)).toEqual(server.texts('c1'));
    expect(visitor.outbox.all()).toEqual([]);
  },
);
