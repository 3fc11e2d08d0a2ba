/**
 * An agent's side: all conversations served over one connection, and who else is at the desk.
 *
 * No DOM, no REST. Each conversation's events arrive strictly rising; a hole among them is asked for once by
 * reconnecting with what is there.
 */

import { CLOSE_TOKEN_REFUSED, Link } from './link.ts';
import type { LinkState, Socket } from './link.ts';
import { Notifier } from './notify.ts';
import { Outbox } from './outbox.ts';
import type { Outgoing, OutboxStore } from './outbox.ts';
import { Sender } from './sender.ts';
import { fold, TALK_NEW } from './talk.ts';
import type { Talk } from './talk.ts';
import { makeId, RESUMED_CONVERSATIONS_MAX } from './wire.ts';
import type {
  ClientMessage,
  Content,
  Presence,
  PresenceState,
  ServerMessage,
  SheddingStep,
  WireEvent,
} from './wire.ts';

/** How long one `typing` of the other side is shown. */
export const TYPING_MS = 5_000;
const TYPING_EVERY_MS = 2_500;

/** One conversation as this connection knows it. Replaced, never changed, so that views compare by identity. */
export interface Served {
  id: string;
  seq: number;
  events: readonly WireEvent[];
  talk: Talk;
  /** When the visitor's typing is shown no more, milliseconds since 1970; 0 when nobody types. */
  typingUntil: number;
  /** What the visitor is typing, if shared. */
  preview: string;
  readByVisitor: number;
}

export interface AgentOptions {
  url: string;
  name: string;
  token: string;
  outbox: OutboxStore;
  /** Each new event, in order; `live` is false for what a reconnect or an assignment brings from before. */
  onEvent?: (event: WireEvent, live: boolean) => void;
  onWelcome?: () => void;
  /** The token is refused or has expired. */
  onTokenRefused?: () => void;
  probe?: () => Promise<boolean>;
  connect?: (url: string, protocol: string) => Socket;
  random?: () => number;
}

export class Agent {
  readonly link: Link;
  readonly outbox: Outbox;
  readonly accepted = new Map<string, Outgoing>();
  served = new Map<string, Served>();
  colleagues = new Map<string, Presence>();
  presence: { state: PresenceState; capacity: number } = { state: 'away', capacity: 8 };
  notice: { code: string; text: string } | undefined;
  /** What the server gives up for want of time. */
  shedding: SheddingStep = 'none';
  version = '';
  /** Rises with each change; what a view compares. */
  revision = 0;
  private readonly sender: Sender;
  private readonly options: AgentOptions;
  private readonly notifier = new Notifier();
  /** What a supervisor reads along. */
  readonly watching = new Set<string>();
  /** Assignments that were accepted here: conversation → number of the event. */
  private readonly promised = new Map<string, number>();
  private readonly typedAt = new Map<string, number>();
  /** Holes already asked for: a second time the server means it. */
  private readonly holes = new Set<string>();
  private welcomedAt = 0;

  constructor(options: AgentOptions) {
    this.options = options;
    this.outbox = new Outbox(options.outbox);
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
      onClose: (code) => this.closed(code),
      probe: options.probe,
      connect: options.connect,
      random: options.random,
    });
    this.sender = new Sender(this.link, this.outbox, options.random);
  }

  subscribe(listener: () => void): () => void {
    return this.notifier.subscribe(listener);
  }

  open(): void {
    this.link.connect();
  }

  stop(): void {
    this.link.disconnect();
    this.sender.reset();
  }

  setPresence(state: PresenceState, capacity: number): void {
    this.presence = { state, capacity };
    this.link.send({ type: 'presence', state, capacity });
    this.changed();
  }

  say(conversation: string, content: Content): void {
    this.write(conversation, { type: 'message', content });
  }

  note(conversation: string, text: string): void {
    this.write(conversation, { type: 'note', text });
  }

  /** A supervisor's remark to whoever has the conversation; visitors never see it. */
  whisper(conversation: string, text: string): void {
    this.write(conversation, { type: 'whisper', text });
  }

  retry(id: string): void {
    this.outbox.fail(id, undefined);
    this.sender.pump();
    this.changed();
  }

  discard(id: string): void {
    this.outbox.remove(id);
    this.changed();
  }

  typing(conversation: string): void {
    const now = Date.now();
    if (now - (this.typedAt.get(conversation) ?? 0) < TYPING_EVERY_MS) return;
    this.typedAt.set(conversation, now);
    this.link.send({ type: 'typing', conversation });
  }

  markRead(conversation: string, seq: number): void {
    this.link.send({ type: 'read', conversation, seq });
  }

  /** Ends a conversation; answers whether it could be asked for. */
  close(conversation: string): boolean {
    this.notice = undefined;
    return this.link.send({ type: 'close', conversation });
  }

  /** Gives a conversation away, with a remark for whoever gets it; the server may refuse it (`notice`). */
  transfer(conversation: string, to: { agent: string } | { team: string }, note = ''): boolean {
    this.notice = undefined;
    const remark = note.trim() === '' ? {} : { note: note.trim() };
    return this.link.send({ type: 'transfer', conversation, ...to, ...remark });
  }

  /** Will answer what was assigned. */
  accept(conversation: string): void {
    if (!this.link.send({ type: 'accept', conversation })) return;
    const given = this.givenAt(conversation);
    if (given !== undefined) this.promised.set(conversation, given.seq);
    this.changed();
  }

  /** Gives back what was assigned and is not answered. */
  decline(conversation: string): boolean {
    this.notice = undefined;
    return this.link.send({ type: 'decline', conversation });
  }

  /** Takes a conversation that somebody else has, or nobody. */
  takeOver(conversation: string): boolean {
    this.notice = undefined;
    return this.link.send({ type: 'takeover', conversation });
  }

  /** A supervisor reads along, also after a reconnect, until `unwatch`. */
  watch(conversation: string): void {
    this.watching.add(conversation);
    this.sayWatch(conversation);
    this.changed();
  }

  unwatch(conversation: string): void {
    if (!this.watching.delete(conversation)) return;
    this.link.send({ type: 'unwatch', conversation });
    this.changed();
  }

  /**
   * Until when a conversation has to be accepted, milliseconds since 1970; 0: it need not be, or was, or was
   * answered already.
   */
  acceptUntil(conversation: string): number {
    const given = this.givenAt(conversation);
    if (given?.within_s === undefined || given.to !== this.options.name) return 0;
    if (this.promised.get(conversation) === given.seq) return 0;
    const answered = this.served
      .get(conversation)
      ?.events.some((event) => event.seq > given.seq && isAnswer(event));
    return answered === true ? 0 : given.at + given.within_s * 1_000;
  }

  /** When and to whom a conversation last went. */
  private givenAt(
    conversation: string,
  ): { seq: number; at: number; to: string | null; within_s: number | undefined } | undefined {
    const event = this.served
      .get(conversation)
      ?.events.findLast((one) => one.kind === 'assigned' || one.kind === 'transferred');
    if (event?.kind !== 'assigned' && event?.kind !== 'transferred') return undefined;
    const to = event.kind === 'assigned' ? event.content.agent : event.content.to;
    const within_s = event.content.accept_within_s;
    return { seq: event.seq, at: Date.parse(event.at), to, within_s };
  }

  private sayWatch(conversation: string): void {
    const after = this.served.get(conversation)?.seq ?? 0;
    this.link.send({ type: 'watch', conversation, after });
  }

  /** Forgets a conversation that is not ours any more. */
  release(conversation: string): void {
    if (this.served.delete(conversation)) {
      this.served = new Map(this.served);
      this.changed();
    }
  }

  clearNotice(): void {
    this.notice = undefined;
    this.changed();
  }

  private write(conversation: string, body: Outgoing['body']): void {
    this.outbox.add({ id: makeId(), conversation, at: Date.now(), body });
    this.sender.pump();
    this.changed();
  }

  private hello(): ClientMessage {
    const conversations: Record<string, number> = {};
    const latest = [...this.served.values()]
      .filter((one) => one.talk.phase !== 'closed')
      .slice(-RESUMED_CONVERSATIONS_MAX);
    for (const one of latest) conversations[one.id] = one.seq;
    return { type: 'hello', role: 'agent', token: this.options.token, conversations };
  }

  private welcomed(welcome: Extract<ServerMessage, { type: 'welcome' }>): void {
    this.version = welcome.server.version;
    this.welcomedAt = Date.now();
    this.colleagues = new Map();
    this.shedding = 'none'; // Told behind the welcome, if it is not so.
    this.link.send({ type: 'presence', ...this.presence });
    for (const conversation of this.watching) this.sayWatch(conversation);
    this.sender.reset();
    this.sender.pump();
    this.options.onWelcome?.();
    this.changed();
  }

  private receive(message: ServerMessage): void {
    switch (message.type) {
      case 'event':
        this.happened(message);
        break;
      case 'ack':
        this.acknowledged(message.id);
        break;
      case 'refused':
        this.refused(message);
        break;
      case 'typing':
        if ((message.role ?? message.from?.role) === 'visitor') {
          this.visitorTypes(message.conversation, message.text ?? '');
        }
        break;
      case 'read':
        if ((message.role ?? message.from?.role) === 'visitor') {
          this.edit(message.conversation, (one) => ({
            readByVisitor: Math.max(one.readByVisitor, message.seq),
          }));
        }
        break;
      case 'presence':
        this.colleague(message);
        break;
      case 'shedding':
        this.shedding = message.step;
        break;
      case 'error':
        this.notice = { code: message.code, text: message.text };
        break;
      case 'welcome':
        break;
    }
    this.changed();
  }

  private colleague(presence: Presence): void {
    this.colleagues = new Map(this.colleagues);
    if (presence.state === 'gone') this.colleagues.delete(presence.agent);
    else this.colleagues.set(presence.agent, presence);
  }

  private happened(event: WireEvent): void {
    const known = this.served.get(event.conversation);
    const seq = known?.seq ?? 0;
    if (event.seq <= seq) return;
    if (event.seq > seq + 1 && this.askAgain(event)) return;
    const one = known ?? {
      id: event.conversation,
      seq: 0,
      events: [],
      talk: TALK_NEW,
      typingUntil: 0,
      preview: '',
      readByVisitor: 0,
    };
    const silent = event.from.role === 'visitor' && event.kind === 'message';
    this.served = new Map(this.served).set(event.conversation, {
      ...one,
      seq: event.seq,
      events: [...one.events, event],
      talk: fold(one.talk, event),
      typingUntil: silent ? 0 : one.typingUntil,
      preview: silent ? '' : one.preview,
    });
    if (event.from.role === 'agent' && event.id !== undefined && event.id !== '') {
      this.acknowledged(event.id);
      this.accepted.delete(event.id);
    }
    this.options.onEvent?.(event, Date.parse(event.at) >= this.welcomedAt - 60_000);
  }

  /** Whether the hole before this event is worth a reconnect. */
  private askAgain(event: WireEvent): boolean {
    const hole = `${event.conversation}:${String(event.seq)}`;
    if (this.holes.has(hole)) return false;
    this.holes.add(hole);
    this.link.drop();
    return true;
  }

  private acknowledged(id: string): void {
    const entry = this.sender.acked(id);
    if (entry !== undefined) this.accepted.set(id, entry);
  }

  private refused(message: Extract<ServerMessage, { type: 'refused' }>): void {
    const { id, code, text, retry_after_ms } = message;
    if (!this.outbox.has(id)) this.notice = { code, text };
    else if (retry_after_ms !== undefined) this.sender.postpone(id, retry_after_ms);
    else this.sender.failed(id, { code, text });
  }

  private visitorTypes(conversation: string, preview: string): void {
    this.edit(conversation, () => ({ typingUntil: Date.now() + TYPING_MS, preview }));
    setTimeout(() => {
      this.edit(conversation, (one) =>
        one.typingUntil <= Date.now() ? { typingUntil: 0, preview: '' } : {},
      );
      this.changed();
    }, TYPING_MS + 1);
  }

  private edit(conversation: string, change: (one: Served) => Partial<Served>): void {
    const one = this.served.get(conversation);
    if (one === undefined) return;
    this.served = new Map(this.served).set(conversation, { ...one, ...change(one) });
  }

  private closed(code: number): boolean {
    if (code !== CLOSE_TOKEN_REFUSED) return true;
    this.options.onTokenRefused?.();
    return false;
  }

  private linkChanged(state: LinkState): void {
    if (state.name !== 'open') this.sender.reset();
    this.changed();
  }

  private changed(): void {
    this.revision += 1;
    this.notifier.changed();
  }
}

function isAnswer(event: WireEvent): boolean {
  return event.kind === 'message' && event.from.role === 'agent';
}
