/**
 * What the console knows while somebody is logged in: the agent's connection, who the visitors are, what is read.
 *
 * Views read it through `useDesk`; it draws nothing itself.
 */

import { Agent, watchNetwork } from '@ringdesk/client';
import type { PresenceState, Served, WireEvent } from '@ringdesk/client';
import { Api } from './api.ts';
import type { Login, Reply, Summary } from './api.ts';
import { openOutbox, Reads } from './memory.ts';

/** How long after a reconnect it is asked which conversations are still ours. */
const EXAMINE_MS = 1_500;

/** How long after a vain question it is asked again who a visitor is, and how often in all. */
const INTRODUCE_AGAIN_MS = 700;
const INTRODUCTIONS_MAX = 6;

/** What the list shows of one conversation. */
export interface Item {
  id: string;
  served: Served;
  summary: Summary | undefined;
  unread: number;
  /** Since when the visitor waits for an answer, milliseconds since 1970; 0 when nobody waits. */
  waitsSince: number;
  last: WireEvent | undefined;
}

export interface Alert {
  conversation: string;
  name: string;
  text: string;
}

interface Digest {
  waitsSince: number;
  last: WireEvent | undefined;
}

export class Desk {
  readonly login: Login;
  readonly api: Api;
  readonly agent: Agent;
  readonly summaries = new Map<string, Summary>();
  replies: Reply[] = [];
  private onAlert: (alert: Alert) => void = () => undefined;
  private readonly reads: Reads;
  private readonly digests = new WeakMap<Served, Digest>();
  private readonly asked = new Set<string>();
  private readonly listeners = new Set<() => void>();
  private revision = 0;
  private stopWatching: (() => void) | undefined;

  constructor(login: Login, onRefused: () => void) {
    this.login = login;
    this.api = new Api(login.token, onRefused);
    this.reads = new Reads(login.name);
    this.agent = new Agent({
      url: new URL('/ws', location.href).href.replace(/^http/, 'ws'),
      name: login.name,
      token: login.token,
      outbox: openOutbox(login.name),
      onEvent: (event, live) => {
        this.happened(event, live);
      },
      onWelcome: () => {
        setTimeout(() => void this.examine(), EXAMINE_MS);
      },
      onTokenRefused: onRefused,
      probe: async () => {
        await this.api.me();
        return true;
      },
    });
    this.agent.subscribe(() => {
      this.changed();
    });
  }

  start(state: PresenceState, capacity: number): void {
    this.agent.setPresence(state, capacity);
    this.stopWatching = watchNetwork(this.agent.link);
    this.agent.open();
    this.loadReplies();
  }

  stop(): void {
    this.stopWatching?.();
    this.agent.stop();
  }

  /** Who is told of what arrives from visitors. */
  alertWith(listener: (alert: Alert) => void): void {
    this.onAlert = listener;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): number => this.revision;

  /** Whether the person sees the board, reads along and takes over. */
  get oversees(): boolean {
    return this.login.role !== 'agent';
  }

  isMine(served: Served): boolean {
    return served.talk.phase === 'serving' && served.talk.agent === this.login.name;
  }

  /** Our conversations, the one that needs us most first. */
  mine(): Item[] {
    return [...this.agent.served.values()]
      .filter((served) => this.isMine(served))
      .map((served) => this.item(served))
      .sort(byNeed);
  }

  unreadTotal(): number {
    return this.mine().reduce((sum, item) => sum + item.unread, 0);
  }

  /** Everything of this conversation was on the screen. */
  markRead(served: Served): void {
    if (served.seq <= this.reads.of(served.id)) return;
    this.reads.set(served.id, served.seq);
    this.agent.markRead(served.id, served.seq);
    this.changed();
  }

  learn(summary: Summary): void {
    // A single conversation's answer says less than a list's.
    this.summaries.set(summary.id, { ...this.summaries.get(summary.id), ...summary });
  }

  /** What agents say often, as it was asked for last; asks again. */
  loadReplies(): void {
    this.api.replies().then(
      ({ replies }) => {
        this.replies = replies;
        this.changed();
      },
      () => undefined, // Those known stay; the next opening asks again.
    );
  }

  private item(served: Served): Item {
    const { waitsSince, last } = this.digest(served);
    const read = this.reads.of(served.id);
    const unread = served.events.filter(
      (event) => event.seq > read && event.kind === 'message' && event.from.role === 'visitor',
    ).length;
    return {
      id: served.id,
      served,
      summary: this.summaries.get(served.id),
      unread,
      waitsSince,
      last,
    };
  }

  private digest(served: Served): Digest {
    const known = this.digests.get(served);
    if (known !== undefined) return known;
    let waitsSince = 0;
    let last: WireEvent | undefined;
    for (const event of served.events) {
      if (event.kind !== 'message') continue;
      last = event;
      if (event.from.role !== 'visitor') waitsSince = 0;
      else if (waitsSince === 0) waitsSince = Date.parse(event.at);
    }
    const digest = { waitsSince, last };
    this.digests.set(served, digest);
    return digest;
  }

  private happened(event: WireEvent, live: boolean): void {
    this.introduce(event.conversation);
    if (!live || event.kind !== 'message' || event.from.role !== 'visitor') return;
    if (event.seq <= this.reads.of(event.conversation)) return;
    // What is only read along rings for whoever has it.
    if (this.agent.watching.has(event.conversation)) return;
    const text = event.content.kind === 'text' ? event.content.text : '';
    const name = this.summaries.get(event.conversation)?.name ?? event.from.name;
    this.onAlert({ conversation: event.conversation, name, text });
  }

  /**
   * Asks who the visitor of a conversation is. Lists and searches come from SQL, which has a new conversation a
   * second later: without asking again, a VIP would look like anybody until the next word.
   */
  private introduce(conversation: string, tries = INTRODUCTIONS_MAX): void {
    if (this.asked.has(conversation)) return;
    this.asked.add(conversation);
    this.api.conversation(conversation).then(
      (summary) => {
        this.learn(summary);
        this.changed();
      },
      () => {
        setTimeout(() => {
          this.asked.delete(conversation); // From here on the next event asks again, too.
          if (tries > 1) this.introduce(conversation, tries - 1);
        }, INTRODUCE_AGAIN_MS);
      },
    );
  }

  /** After a reconnect: lets go of what went to somebody else while we were away. */
  private async examine(): Promise<void> {
    for (const { id } of this.mine()) {
      try {
        const summary = await this.api.conversation(id);
        this.learn(summary);
        const gone = summary.agent !== this.login.name || summary.phase === 'closed';
        const seen = this.agent.served.get(id)?.seq ?? 0;
        // The answer may be older than what the socket has said since; only a newer one counts.
        if (gone && summary.seq > seen) this.agent.release(id);
      } catch {
        return; // The connection is gone again; the next welcome asks again.
      }
    }
    this.changed();
  }

  private changed(): void {
    this.revision += 1;
    for (const listener of this.listeners) listener();
  }
}

function byNeed(a: Item, b: Item): number {
  const waiting = Number(b.waitsSince > 0) - Number(a.waitsSince > 0);
  if (waiting !== 0) return waiting;
  const vip = Number(b.summary?.vip ?? false) - Number(a.summary?.vip ?? false);
  if (vip !== 0) return vip;
  if (a.waitsSince > 0) return a.waitsSince - b.waitsSince;
  return Date.parse(b.last?.at ?? '') - Date.parse(a.last?.at ?? '') || 0;
}
