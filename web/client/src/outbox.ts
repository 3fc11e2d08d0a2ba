/**
 * What was written and is not acknowledged yet, in the order it was written.
 *
 * One message of a conversation is under way at a time: were the second sent before the first is acknowledged,
 * a refusal of the first would let them change places. A resend keeps its id, and the server answers it with
 * the first `seq`; so sending too often is harmless, and forgetting is the only sin.
 */

import type { ClientMessage, Content } from './wire.ts';

/** Most messages kept; beyond it the composer must wait. */
export const OUTBOX_MAX = 200;

/** One thing to be sent. */
export interface Outgoing {
  id: string;
  /** Empty until a visitor's conversation has a name. */
  conversation: string;
  /** Milliseconds since 1970, by this machine's clock: the order of an outbox, and what is shown meanwhile. */
  at: number;
  body: { type: 'message'; content: Content } | { type: 'note' | 'whisper'; text: string };
  /** Why the server did not take it; the person decides whether to try again. */
  failure?: { code: string; text: string };
}

/** Where an outbox outlives its page. Every entry has a key of its own, so that tabs do not overwrite each other. */
export interface OutboxStore {
  load(): Outgoing[];
  put(entry: Outgoing): void;
  remove(id: string): void;
}

/** An outbox that does not outlive its page. */
export class MemoryStore implements OutboxStore {
  private readonly entries = new Map<string, Outgoing>();
  load(): Outgoing[] {
    return [...this.entries.values()].map((entry) => ({ ...entry }));
  }
  put(entry: Outgoing): void {
    this.entries.set(entry.id, { ...entry });
  }
  remove(id: string): void {
    this.entries.delete(id);
  }
}

export class Outbox {
  private entries: Outgoing[];
  private readonly store: OutboxStore;

  constructor(store: OutboxStore) {
    this.store = store;
    this.entries = inOrder(store.load());
  }

  all(): readonly Outgoing[] {
    return this.entries;
  }

  of(conversation: string): Outgoing[] {
    return this.entries.filter((entry) => entry.conversation === conversation);
  }

  has(id: string): boolean {
    return this.entries.some((entry) => entry.id === id);
  }

  add(entry: Outgoing): void {
    // Two messages of one millisecond keep their order over a reload, too.
    const last = this.entries.at(-1);
    if (last !== undefined && entry.at <= last.at) entry.at = last.at + 1;
    this.entries.push(entry);
    this.store.put(entry);
  }

  /** Acknowledged, seen as an event, or given up by the person. */
  remove(id: string): Outgoing | undefined {
    const entry = this.entries.find((one) => one.id === id);
    this.entries = this.entries.filter((one) => one.id !== id);
    if (entry !== undefined) this.store.remove(id);
    return entry;
  }

  fail(id: string, failure: { code: string; text: string } | undefined): void {
    this.change(id, (entry) => {
      if (failure === undefined) delete entry.failure;
      else entry.failure = failure;
    });
  }

  /** The entries go on in another conversation. */
  move(from: string, to: string): void {
    for (const entry of this.of(from)) {
      this.change(entry.id, (one) => {
        one.conversation = to;
      });
    }
  }

  /** Another tab wrote or finished something. */
  reload(): void {
    this.entries = inOrder(this.store.load());
  }

  private change(id: string, edit: (entry: Outgoing) => void): void {
    this.entries = this.entries.map((entry) => {
      if (entry.id !== id) return entry;
      const changed = { ...entry };
      edit(changed);
      this.store.put(changed);
      return changed;
    });
  }
}

function inOrder(entries: Outgoing[]): Outgoing[] {
  return entries.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
}

/** The frame that carries an entry. */
export function frameOf(entry: Outgoing): ClientMessage {
  if (entry.body.type !== 'message') {
    const { id, conversation } = entry;
    return { type: entry.body.type, id, conversation, text: entry.body.text };
  }
  const message: ClientMessage = { type: 'message', id: entry.id, content: entry.body.content };
  if (entry.conversation !== '') message.conversation = entry.conversation;
  return message;
}
