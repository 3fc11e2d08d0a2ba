/**
 * Sends an outbox over a link: one message of a conversation at a time, again after a reconnect, later after a
 * refusal that names a time. A message that is not answered in time is proof of a dead path.
 */

import { frameOf, Outbox } from './outbox.ts';
import type { Outgoing } from './outbox.ts';
import type { Link } from './link.ts';

/** Longest wait for an answer to a message before the connection is given up. */
export const ACK_MS_MAX = 8_000;
/** Longest wait that a refusal may ask for. */
const RETRY_MS_MAX = 60_000;
/** Up to this share of the wait is added by chance: who was refused together must not come back together. */
const RETRY_JITTER = 0.5;

interface Lane {
  /** The message under way. */
  id: string | undefined;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** A refusal asked to wait. */
  paused: boolean;
}

export class Sender {
  private readonly lanes = new Map<string, Lane>();
  private readonly link: Link;
  private readonly outbox: Outbox;
  private readonly random: () => number;
  /** Refused for now; sent again by itself. */
  private readonly postponed = new Set<string>();

  constructor(link: Link, outbox: Outbox, random: () => number = Math.random) {
    this.link = link;
    this.outbox = outbox;
    this.random = random;
  }

  /** Whether the server was too busy for the message, and it waits to be sent again. */
  waits(id: string): boolean {
    return this.postponed.has(id);
  }

  /** The connection is new: nothing is under way on it. */
  reset(): void {
    for (const lane of this.lanes.values()) clearTimeout(lane.timer);
    this.lanes.clear();
    this.postponed.clear();
  }

  /** Sends what can be sent. */
  pump(): void {
    if (this.link.state.name !== 'open') return;
    for (const entry of this.outbox.all()) {
      if (entry.failure !== undefined) continue;
      const lane = this.lane(entry.conversation);
      if (lane.id !== undefined || lane.paused) continue;
      this.send(lane, entry);
    }
  }

  /** The message is durable; answers whether it was ours. */
  acked(id: string): Outgoing | undefined {
    this.settle(id);
    this.postponed.delete(id);
    const entry = this.outbox.remove(id);
    this.pump();
    return entry;
  }

  /** Try again when the server said so, or a little later. */
  postpone(id: string, wait_ms: number): void {
    const lane = this.settle(id);
    if (lane === undefined) return;
    lane.paused = true;
    this.postponed.add(id);
    lane.timer = setTimeout(
      () => {
        lane.paused = false;
        this.pump();
      },
      Math.min(wait_ms, RETRY_MS_MAX) * (1 + RETRY_JITTER * this.random()),
    );
  }

  /** The server will not take it as it is. */
  failed(id: string, failure: { code: string; text: string }): void {
    this.settle(id);
    this.postponed.delete(id);
    this.outbox.fail(id, failure);
    this.pump();
  }

  private lane(conversation: string): Lane {
    let lane = this.lanes.get(conversation);
    if (lane === undefined) {
      lane = { id: undefined, timer: undefined, paused: false };
      this.lanes.set(conversation, lane);
    }
    return lane;
  }

  private send(lane: Lane, entry: Outgoing): void {
    if (!this.link.send(frameOf(entry))) return;
    lane.id = entry.id;
    lane.timer = setTimeout(() => {
      this.link.drop();
    }, ACK_MS_MAX);
  }

  private settle(id: string): Lane | undefined {
    for (const lane of this.lanes.values()) {
      if (lane.id !== id) continue;
      clearTimeout(lane.timer);
      lane.id = undefined;
      return lane;
    }
    return undefined;
  }
}
