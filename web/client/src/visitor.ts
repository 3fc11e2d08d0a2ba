/**
 * A visitor's side of one conversation after the other: resumes, resends, and keeps what a page must remember.
 *
 * No DOM. Storage and socket are given, so tests drive it with their own.
 */

import { CLOSE_BAD_MESSAGE, CLOSE_TOKEN_REFUSED, Link } from './link.ts';
import type { LinkState, Socket } from './link.ts';
import { Notifier } from './notify.ts';
import { Outbox } from './outbox.ts';
import type { Outgoing } from './outbox.ts';
import { knowsMore, learn, TRANSCRIPT_MAX } from './record.ts';
import type { VisitorRecord, VisitorStore } from './record.ts';
import { Sender } from './sender.ts';
import { fold, foldAll, TALK_NEW } from './talk.ts';
import type { Talk } from './talk.ts';
import { Typing } from './typing.ts';
import { makeId } from './wire.ts';
import type { ClientMessage, Content, Refused, ServerMessage, WireEvent } from './wire.ts';

/** How long one `typing` of the other side is shown. */
export const TYPING_MS = 5_000;
/** How long events may wait to be written to the browser's storage. */
const SAVE_MS = 200;
/** A new conversation that is refused as closed at once, again and again, is a fault and no loop. */
const RENEWALS_MAX = 3;

export interface VisitorOptions {
  url: string;
  site: string;
  /** Identity signed by the shop. */
  token?: string;
  /** Which team a new conversation is for. */
  team?: string;
  /** Whether agents may read what is being written before it is sent. */
  preview?: boolean;
  page: () => string;
  store: VisitorStore;
  probe?: () => Promise<boolean>;
  connect?: (url: string, protocol: string) => Socket;
  random?: () => number;
}

export class Visitor {
  readonly link: Link;
  readonly outbox: Outbox;
  /** Taken by the server, its event not here yet. */
  readonly accepted = new Map<string, Outgoing>();
  events: WireEvent[];
  talk: Talk = TALK_NEW;
  /** The agent's last typing, by our clock. */
  typingUntil = 0;
  /** A refusal that belongs to no message. */
  notice: { code: string; text: string } | undefined;
  /** The last refusal for want of room: what a new conversation would have to wait. */
  crowd: Refused | undefined;
  private record: VisitorRecord;
  private readonly sender: Sender;
  private readonly options: VisitorOptions;
  private readonly notifier = new Notifier();
  /** Asked while there was no connection: close, rate, human. */
  private wishes: ClientMessage[] = [];
  private refusedTokens = new Set<string>();
  private asked: { token?: string; conversation?: string; after: number } = { after: 0 };
  private renewals = 0;
  private readTold = 0;
  private readonly typed: Typing;
  private saving: ReturnType<typeof setTimeout> | undefined;

  constructor(options: VisitorOptions) {
    this.options = options;
    this.record = options.store.load() ?? { since: 0, seq: 0, read: 0, events: [] };
    this.events = this.record.events;
    this.talk = foldAll(this.current());
    this.outbox = new Outbox(options.store.outbox);
    this.link = new Link({
      url: options.url,
      hello: () => this.hello(),
      onWelcome: (welcome) => {
        this.welcomed(welcome);
      },
      onMessage: (message) => {
        this.receive(message);
      },
      onState: (state) => {
        this.linkChanged(state);
      },
      onClose: (code, welcomed) => this.closed(code, welcomed),
      probe: options.probe,
      connect: options.connect,
      random: options.random,
    });
    this.sender = new Sender(this.link, this.outbox, options.random);
    this.typed = new Typing(options.preview === true, (text) => {
      this.link.send(text === undefined ? { type: 'typing' } : { type: 'typing', text });
    });
    options.store.watch(() => {
      this.otherTab();
    });
  }

  subscribe(listener: () => void): () => void {
    return this.notifier.subscribe(listener);
  }

  get conversation(): string | undefined {
    return this.record.conversation;
  }

  /** The last event of the conversation that this page has. */
  get seq(): number {
    return this.record.seq;
  }

  /** The last event the person has seen. */
  get read(): number {
    return this.record.read;
  }

  /** Last of our messages an agent has read. */
  get readByAgent(): number {
    return this.record.readByAgent ?? 0;
  }

  /** The message that was left when nobody was there. */
  get left(): string | undefined {
    return this.record.left;
  }

  /** The rating that is on its way. */
  get ratingUnderway(): VisitorRecord['rate'] {
    return this.record.rate;
  }

  /** Messages of the desk that the person has not seen. */
  get unread(): number {
    return this.current().filter(
      (event) =>
        event.kind === 'message' && event.from.role !== 'visitor' && event.seq > this.record.read,
    ).length;
  }

  /** Whether a page load should connect before the person asks for it. */
  get pending(): boolean {
    const live = this.record.conversation !== undefined && this.talk.phase !== 'closed';
    return live || this.outbox.all().length > 0 || this.record.rate !== undefined;
  }

  /** Connects, if not connected. */
  open(): void {
    this.link.connect();
  }

  /** Keeps a message and sends it as soon as that is possible. */
  say(content: Content): string {
    const id = makeId();
    if (this.talk.phase === 'closed') this.begin();
    this.typed.done();
    this.outbox.add({
      id,
      conversation: this.record.conversation ?? '',
      at: Date.now(),
      body: { type: 'message', content },
    });
    this.open();
    this.sender.pump();
    this.notifier.changed();
    return id;
  }

  /** Leaves a message for when somebody is there. */
  leave(text: string): void {
    this.record.left = this.say({ kind: 'text', text });
    this.save();
  }

  /** Whether the server was too busy for the message, and it is sent again by itself. */
  waits(id: string): boolean {
    return this.sender.waits(id);
  }

  /** The person asks to send a refused message again. */
  retry(id: string): void {
    this.outbox.fail(id, undefined);
    this.open();
    this.sender.pump();
    this.notifier.changed();
  }

  /** The person gives a refused message up. */
  discard(id: string): void {
    this.outbox.remove(id);
    this.notifier.changed();
  }

  typing(draft: string): void {
    this.typed.wrote(draft);
  }

  /** Everything up to here was on the screen. */
  markRead(): void {
    const seq = this.record.seq;
    if (seq > this.record.read) {
      this.record.read = seq;
      this.save();
      this.notifier.changed();
    }
    if (seq > this.readTold && this.link.send({ type: 'read', seq })) this.readTold = seq;
  }

  askHuman(): void {
    this.wish({ type: 'human' });
  }

  /** Gives a rating, once; it is kept until it is seen among the events. */
  giveRating(score: number, text: string): void {
    if (this.record.rate !== undefined || this.talk.rating !== undefined) return;
    this.record.rate = text === '' ? { score } : { score, text };
    this.notice = undefined;
    this.save();
    this.tellRating();
    this.open();
    this.notifier.changed();
  }

  private tellRating(): void {
    const { rate } = this.record;
    if (rate !== undefined) this.link.send({ type: 'rate', ...rate });
  }

  end(): void {
    this.wish({ type: 'close' });
  }

  /** Leaves the conversation behind and begins another with the next message. */
  begin(): void {
    this.bind(undefined);
    if (this.link.state.name !== 'idle') this.link.restart();
    this.notifier.changed();
  }

  private current(): WireEvent[] {
    const id = this.record.conversation;
    return this.events.filter((event) => event.conversation === id);
  }

  private hello(): ClientMessage {
    const { conversation, seq } = this.record;
    const token = this.credential();
    this.asked = { token, conversation, after: seq };
    const hello: ClientMessage = {
      type: 'hello',
      role: 'visitor',
      site: this.options.site,
      after: seq,
      page: this.options.page(),
    };
    if (token !== undefined) hello.token = token;
    if (conversation !== undefined) hello.conversation = conversation;
    if (this.options.team !== undefined) hello.team = this.options.team;
    return hello;
  }

  /** The shop's word first, then what the server gave before. */
  private credential(): string | undefined {
    return [this.options.token, this.record.token].find(
      (token) => token !== undefined && token !== '' && !this.refusedTokens.has(token),
    );
  }

  private welcomed(welcome: Extract<ServerMessage, { type: 'welcome' }>): void {
    if (welcome.token !== undefined) this.record.token = welcome.token;
    const { conversation } = welcome;
    if (conversation !== undefined && conversation !== this.record.conversation) {
      this.bind(conversation);
      if (this.asked.after > 0) {
        // The server went on elsewhere, but from the number of the conversation we named.
        this.save();
        this.link.restart();
        return;
      }
    }
    this.readTold = 0;
    this.outbox.move('', conversation ?? '');
    this.save();
    this.sender.reset();
    const wishes = this.wishes;
    this.wishes = [];
    this.sender.pump();
    for (const wish of wishes) this.link.send(wish);
    this.tellRating();
    this.notifier.changed();
  }

  private receive(message: ServerMessage): void {
    switch (message.type) {
      case 'event':
        this.happened(message);
        break;
      case 'ack':
        this.renewals = 0;
        this.crowd = undefined;
        this.accept(message.id);
        break;
      case 'refused':
        this.refused(message);
        break;
      case 'typing':
        if ((message.role ?? message.from?.role) === 'agent') this.shownTyping(TYPING_MS);
        break;
      case 'read':
        if ((message.role ?? message.from?.role) === 'agent') {
          this.record.readByAgent = Math.max(this.readByAgent, message.seq);
          this.saveSoon();
        }
        break;
      case 'error':
        this.notice = { code: message.code, text: message.text };
        break;
      case 'welcome':
      case 'presence':
      case 'shedding':
        break;
    }
    this.notifier.changed();
  }

  private happened(event: WireEvent): void {
    if (event.conversation !== this.record.conversation || event.seq <= this.record.seq) return;
    this.record.seq = event.seq;
    this.events.push(event);
    this.talk = fold(this.talk, event);
    if (event.kind === 'rating') delete this.record.rate;
    if (event.from.role === 'agent') this.shownTyping(0);
    if (event.from.role === 'visitor') {
      this.record.read = event.seq;
      if (event.id !== undefined && event.id !== '') {
        this.accept(event.id);
        this.accepted.delete(event.id);
      }
    }
    this.saveSoon();
  }

  private accept(id: string): void {
    const entry = this.sender.acked(id);
    if (entry !== undefined) this.accepted.set(id, entry);
  }

  private refused(message: Refused): void {
    const { id, code, text, retry_after_ms } = message;
    if (!this.outbox.has(id)) {
      if (id === '') this.wishRefused(message);
      return;
    }
    if (code === 'conversation_closed' && this.renewals < RENEWALS_MAX) {
      this.renewals += 1;
      const old = this.record.conversation ?? '';
      this.bind(undefined);
      this.outbox.move(old, '');
      this.link.restart();
    } else if (retry_after_ms !== undefined) {
      this.crowd = message;
      this.sender.postpone(id, retry_after_ms);
    } else {
      this.sender.failed(id, { code, text });
    }
  }

  /** What has no id: a rating, the end, a human. */
  private wishRefused({ code, text, retry_after_ms }: Refused): void {
    if (this.record.rate !== undefined && retry_after_ms !== undefined) {
      setTimeout(() => {
        this.tellRating();
      }, retry_after_ms);
      return;
    }
    delete this.record.rate;
    if (code !== 'already_rated') this.notice = { code, text };
    this.save();
  }

  private shownTyping(for_ms: number): void {
    this.typingUntil = for_ms === 0 ? 0 : Date.now() + for_ms;
    if (for_ms > 0) {
      setTimeout(() => {
        this.notifier.changed();
      }, for_ms + 1);
    }
  }

  private wish(message: ClientMessage): void {
    this.notice = undefined;
    if (!this.link.send(message)) {
      this.wishes = this.wishes.filter((one) => one.type !== message.type);
      this.wishes.push(message);
      this.open();
    }
    this.notifier.changed();
  }

  /** From now on this conversation, of which nothing is known yet. */
  private bind(conversation: string | undefined): void {
    const old = this.record.conversation;
    this.record = {
      ...this.record,
      conversation,
      since: Date.now(),
      seq: 0,
      read: 0,
      readByAgent: 0,
      rate: undefined,
    };
    if (old !== undefined && conversation !== undefined) this.outbox.move(old, conversation);
    // It comes whole from the server, so what is here of it would be shown twice.
    this.events = this.events.filter((event) => event.conversation !== conversation);
    this.wishes = [];
    this.talk = TALK_NEW;
    this.typingUntil = 0;
    this.crowd = undefined;
    this.save();
  }

  private closed(code: number, welcomed: boolean): boolean {
    const { conversation } = this.asked;
    // A first hello has none; then it is the one the welcome gave that has expired.
    const token = this.asked.token ?? this.record.token;
    if (code === CLOSE_TOKEN_REFUSED && token !== undefined) {
      this.refusedTokens.add(token);
      if (this.record.token === token) {
        delete this.record.token;
        this.forget();
      }
    } else if (code === CLOSE_BAD_MESSAGE && !welcomed && conversation !== undefined) {
      this.forget(); // The server does not know, or not grant, the conversation we remember.
    }
    return true;
  }

  private forget(): void {
    const old = this.record.conversation;
    this.bind(undefined);
    if (old !== undefined) this.outbox.move(old, '');
  }

  private linkChanged(state: LinkState): void {
    if (state.name === 'open') this.notice = undefined;
    else {
      this.sender.reset();
      this.crowd = undefined;
    }
    this.notifier.changed();
  }

  private otherTab(): void {
    this.outbox.reload();
    const stored = this.options.store.load();
    if (stored !== undefined) {
      learn(this.record, stored);
      const other = stored.conversation !== this.record.conversation;
      if (other && stored.conversation !== undefined && knowsMore(stored, this.record)) {
        this.adopt(stored);
      }
    }
    this.sender.pump();
    this.notifier.changed();
  }

  /** Another tab began a conversation after ours: it is this browser's now. */
  private adopt(stored: VisitorRecord): void {
    const old = this.record.conversation ?? '';
    this.record = stored;
    this.events = stored.events;
    this.talk = foldAll(this.current());
    this.outbox.move(old, stored.conversation ?? '');
    if (this.link.state.name !== 'idle') this.link.restart();
  }

  /** Once for a row of events: what is lost in between comes again from the server. */
  private saveSoon(): void {
    this.saving ??= setTimeout(() => {
      this.save();
    }, SAVE_MS);
  }

  /** Writes unless another tab knows more. */
  private save(): void {
    clearTimeout(this.saving);
    this.saving = undefined;
    const { store } = this.options;
    const stored = store.load();
    if (stored !== undefined) {
      if (knowsMore(stored, this.record)) return;
      learn(this.record, stored);
    }
    this.record.events = this.events;
    store.save({ ...this.record, events: this.events.slice(-TRANSCRIPT_MAX) });
  }
}
