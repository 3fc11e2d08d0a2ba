/**
 * A server and its network for tests: keeps one journal per conversation, answers resends with the first `seq`,
 * and loses connections when told, also between what it stored and what it said.
 */

import type { Content, From, ServerMessage, Socket, WireEvent } from '../src/index.ts';

type Sent = Record<string, unknown> & { type: string };

export class Wire implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  /** Everything the client said on this connection. */
  readonly said: Sent[] = [];
  closed = false;
  conversation = '';
  private readonly server: Double;

  constructor(server: Double) {
    this.server = server;
  }

  send(text: string): void {
    const message = JSON.parse(text) as Sent;
    this.said.push(message);
    // As over a real network: the server finishes what it is saying before it hears the answer.
    queueMicrotask(() => {
      if (!this.closed) this.server.receive(this, message);
    });
  }

  close(): void {
    this.closed = true;
    this.server.gone(this);
  }

  /** The server says something. */
  tell(message: ServerMessage): void {
    if (!this.closed) this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The connection breaks; both sides learn of it. */
  cut(code = 1006): void {
    if (this.closed) return;
    this.closed = true;
    this.server.gone(this);
    this.onclose?.({ code, reason: '' });
  }
}

export class Double {
  readonly wires: Wire[] = [];
  readonly journals = new Map<string, WireEvent[]>();
  /** Decides over each message: take it, lose it, or answer something else. */
  judge: (wire: Wire, message: Sent) => 'take' | 'lose' | ServerMessage = () => 'take';
  /** After storing, before saying so. */
  stored: (wire: Wire, event: WireEvent) => void = () => undefined;
  /** Whether connections are answered at all. */
  reachable = true;
  private readonly closed = new Set<string>();
  private made = 0;

  connect = (): Wire => {
    const wire = new Wire(this);
    this.wires.push(wire);
    setTimeout(() => {
      if (wire.closed) return;
      if (this.reachable) wire.onopen?.();
      else wire.cut();
    }, 5);
    return wire;
  };

  /** The connection in use. */
  get wire(): Wire {
    const wire = this.wires.at(-1);
    if (wire === undefined) throw new Error('nobody has connected');
    return wire;
  }

  journal(conversation: string): WireEvent[] {
    return this.journals.get(conversation) ?? [];
  }

  texts(conversation: string): string[] {
    return this.journal(conversation).flatMap((event) =>
      event.kind === 'message' && event.content.kind === 'text' ? [event.content.text] : [],
    );
  }

  gone(_wire: Wire): void {
    // Connections leave nothing behind: what is true is in the journals.
  }

  receive(wire: Wire, message: Sent): void {
    if (message.type === 'hello') {
      this.welcome(wire, message);
      return;
    }
    if (message.type !== 'message' && message.type !== 'note') return;
    const verdict = this.judge(wire, message);
    if (verdict === 'lose') return;
    if (verdict !== 'take') {
      wire.tell(verdict);
      return;
    }
    this.take(wire, message);
  }

  /** Something happens in a conversation, from whomever. */
  emit(
    conversation: string,
    event: Pick<WireEvent, 'kind' | 'content'>,
    from?: From,
    id = '',
  ): WireEvent {
    const journal = this.journals.get(conversation) ?? [];
    this.journals.set(conversation, journal);
    const whole = {
      type: 'event',
      conversation,
      seq: journal.length + 1,
      at: new Date(Date.now()).toISOString(),
      id,
      from: from ?? { role: 'agent', id: 'mia', name: 'Mia' },
      ...event,
    } as WireEvent;
    journal.push(whole);
    if (whole.kind === 'closed') this.closed.add(conversation);
    for (const wire of this.wires) {
      if (wire.conversation === conversation || wire.conversation === '*') wire.tell(whole);
    }
    return whole;
  }

  say(conversation: string, text: string): WireEvent {
    return this.emit(conversation, { kind: 'message', content: { kind: 'text', text } });
  }

  private welcome(wire: Wire, hello: Sent): void {
    const server = { version: 'test', heartbeat_ms: 30_000 };
    if (hello.role === 'agent') {
      wire.conversation = '*';
      wire.tell({ type: 'welcome', seq: 0, server });
      const known = hello.conversations as Record<string, number>;
      for (const [id, journal] of this.journals) replay(wire, journal, known[id] ?? 0);
      return;
    }
    const asked = hello.conversation as string | undefined;
    const conversation = asked ?? `c${String((this.made += 1))}`;
    if (!this.journals.has(conversation)) this.journals.set(conversation, []);
    const journal = this.journal(conversation);
    wire.conversation = conversation;
    const token = (hello.token as string | undefined) ?? 'anonymous';
    wire.tell({ type: 'welcome', conversation, seq: journal.length, token, server });
    replay(wire, journal, hello.after as number);
  }

  private take(wire: Wire, message: Sent): void {
    const id = message.id as string;
    const conversation = (message.conversation as string | undefined) ?? wire.conversation;
    if (this.closed.has(conversation)) {
      wire.tell({ type: 'refused', id, code: 'conversation_closed', text: 'it is over' });
      return;
    }
    let event = this.journal(conversation).find((one) => one.id === id);
    if (event === undefined) {
      const agent = wire.conversation === '*';
      const from: From = agent
        ? { role: 'agent', id: 'mia', name: 'Mia' }
        : { role: 'visitor', id: 'v1', name: '' };
      const content = message.content as Content;
      event = this.emit(conversation, { kind: 'message', content }, from, id);
      this.stored(wire, event);
    }
    wire.tell({ type: 'ack', id, seq: event.seq, at: event.at });
  }
}

function replay(wire: Wire, journal: readonly WireEvent[], after: number): void {
  for (const event of journal) if (event.seq > after) wire.tell(event);
}

/** A seed's row of numbers from 0 to 1 (mulberry32). */
export function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
