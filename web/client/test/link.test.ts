/** How a link comes back: how soon, how often, and when at once. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BACKOFF_MS_MAX, Link, WELCOME_MS_MAX } from '../src/index.ts';
import type { LinkState } from '../src/index.ts';
import { Double } from './double.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const wait = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

function link(
  server: Double,
  extra: { probe?: () => Promise<boolean>; random?: () => number } = {},
) {
  const states: LinkState[] = [];
  const made = new Link({
    url: 'ws://test/ws',
    hello: () => ({ type: 'hello', role: 'agent', token: 't', conversations: {} }),
    onWelcome: () => undefined,
    onMessage: () => undefined,
    onState: (state) => states.push(state),
    connect: server.connect,
    random: () => 1,
    ...extra,
  });
  return { made, states };
}

function waits(states: LinkState[]): number {
  return states.filter((state) => state.name === 'waiting').length;
}

test('the wait doubles from 250 ms and stays at most 8 s', async () => {
  const server = new Double();
  server.reachable = false;
  const { made, states } = link(server);
  const gaps: number[] = [];
  made.connect();
  for (let at = 0; at < 8; at += 1) {
    while (made.state.name !== 'waiting') await wait(1);
    gaps.push(made.state.until - Date.now());
    await wait(made.state.until - Date.now());
  }
  expect(gaps).toEqual([
    250,
    500,
    1000,
    2000,
    4000,
    BACKOFF_MS_MAX,
    BACKOFF_MS_MAX,
    BACKOFF_MS_MAX,
  ]);
  expect(waits(states)).toBe(8);
});

test('jitter takes up to half of the wait away', async () => {
  const server = new Double();
  server.reachable = false;
  const { made } = link(server, { random: () => 0 });
  made.connect();
  await wait(6);
  expect(made.state.name === 'waiting' ? made.state.until - Date.now() : 0).toBeGreaterThan(120);
  expect(made.state.name === 'waiting' ? made.state.until - Date.now() : 0).toBeLessThanOrEqual(
    125,
  );
});

test('a server that stops says when to come back, once', async () => {
  const server = new Double();
  const { made } = link(server);
  const wait_ms = (): number => (made.state.name === 'waiting' ? made.state.until - Date.now() : 0);
  made.connect();
  await wait(10);
  const text = { type: 'error', code: 'server_stopping', text: 'later', retry_after_ms: 1717 };
  server.wire.onmessage?.({ data: JSON.stringify(text) });
  server.wire.onclose?.({ code: 1001, reason: '' });
  expect(wait_ms()).toBe(1717);
  server.reachable = false;
  await wait(1730);
  expect(wait_ms()).toBeLessThanOrEqual(500);
});

test('a network that is back is tried at once', async () => {
  const server = new Double();
  const { made } = link(server);
  made.connect();
  await wait(10);
  made.offline();
  expect(made.state.name).toBe('waiting');
  made.online();
  await wait(10);
  expect(made.state.name).toBe('open');
  expect(server.wires).toHaveLength(2);
});

test('a server that never welcomes is given up', async () => {
  const server = new Double();
  server.receive = () => undefined;
  const { made } = link(server);
  made.connect();
  await wait(WELCOME_MS_MAX + 10);
  expect(server.wires[0]?.closed).toBe(true);
  expect(made.state.name).toBe('waiting');
});

test('a long silence is probed, and a dead path dropped', async () => {
  const server = new Double();
  const probe = vi.fn().mockResolvedValueOnce(true).mockRejectedValueOnce(new Error('unreachable'));
  const { made } = link(server, { probe });
  made.connect();
  await wait(10);
  await wait(45_000);
  expect(probe).toHaveBeenCalledTimes(1);
  expect(made.state.name).toBe('open');
  await wait(45_000);
  expect(probe).toHaveBeenCalledTimes(2);
  expect(made.state.name).toBe('waiting');
});

test('what a dropped socket still says is not heard', async () => {
  const server = new Double();
  const { made } = link(server);
  made.connect();
  await wait(10);
  const old = server.wire;
  made.drop();
  old.onclose?.({ code: 1006, reason: '' });
  await wait(1000);
  expect(server.wires).toHaveLength(2);
  expect(made.state.name).toBe('open');
});
