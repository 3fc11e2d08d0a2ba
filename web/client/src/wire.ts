/**
 * The messages of `ringdesk.v1` as TypeScript types, and the reading of what the server sends.
 *
 * No socket, no state. The table of types, fields and limits is docs/protocol/websocket.md.
 */

/** The WebSocket subprotocol that both sides name. */
export const SUBPROTOCOL = 'ringdesk.v1';
/** Longest text of one message in bytes of UTF-8. */
export const TEXT_BYTES_MAX = 16 * 1024;
/** Most conversations an agent may name in a hello. */
export const RESUMED_CONVERSATIONS_MAX = 256;

export type Role = 'visitor' | 'agent' | 'system';
export type PresenceState = 'ready' | 'away';

/** What a message says. */
export type Content =
  | { kind: 'text'; text: string }
  | { kind: 'image'; url: string; name?: string }
  | { kind: 'file'; url: string; name: string; bytes?: number }
  | { kind: 'card'; title: string; url?: string; text?: string; image?: string }
  | { kind: 'order'; number: string; title?: string; amount?: string; url?: string };

/** Who said or did something. */
export interface From {
  role: Role;
  id: string;
  name: string;
}

interface EventBase {
  type: 'event';
  conversation: string;
  /** Number in the conversation, from 1; a reader sees them strictly rising. */
  seq: number;
  /** RFC 3339, UTC. */
  at: string;
  /** The client's own id, for events made of a client's message; else empty or absent. */
  id?: string;
  from: From;
}

/** How long a wait may last, in seconds: a guess, and a band for nine of ten; absent where too little is known. */
export interface Estimate {
  estimate_s?: number;
  low_s?: number;
  high_s?: number;
}

export interface QueuePlace extends Estimate {
  place: number;
  waiting: number;
  /** Whose queue, if it is not the first team's. */
  team?: string;
}

/** Why the desk gave a conversation to an agent; told to supervisors only. */
export interface Why {
  rule: 'last_agent' | 'least_loaded' | 'transferred' | 'took_over';
  team: string;
  /** What the agent had just before, of how many. */
  serving: number;
  capacity: number;
  /** How many agents could have had it. */
  candidates: number;
  waited_ms: number;
}

/** What comes with an agent's name where a conversation went to one. */
interface Given {
  takeover?: boolean;
  /** The agent has to accept it within so many seconds. */
  accept_within_s?: number;
  why?: Why;
}

/** Why nobody has it any more. */
interface Lost {
  agent: string | null;
  reason?: string;
  /** Who gave it away, and to which team. */
  by?: string;
  team?: string;
  /** When somebody will be there again, RFC 3339. */
  opens_at?: string;
}

/** Who has it now; or nobody any more, with the reason. */
export type Assigned = Lost & Given;

/** One thing that happened in a conversation. */
export type WireEvent =
  | (EventBase & { kind: 'message'; content: Content })
  | (EventBase & { kind: 'assigned'; content: Assigned })
  | (EventBase & { kind: 'queue'; content: QueuePlace })
  | (EventBase & { kind: 'transferred'; content: { from: string; to: string } & Given })
  | (EventBase & { kind: 'closed'; content: { by: Role; reason?: string } })
  | (EventBase & { kind: 'rating'; content: { score: number; text?: string } })
  | (EventBase & { kind: 'note'; content: { text: string; whisper?: boolean; reason?: string } });

/** An agent's presence, as told to agents. */
export interface Presence {
  type: 'presence';
  agent: string;
  state: PresenceState | 'gone';
  capacity: number;
  serving: number;
}

/** What the server gives up for want of time: each step includes those before it. */
export type SheddingStep = 'none' | 'typing' | 'bot' | 'conversations' | 'messages';

/** Not taken; `place` and the estimate are what a new conversation would have now, if the server told. */
export interface Refused extends Estimate {
  type: 'refused';
  /** Empty where the client's message had none; the server leaves it out. */
  id: string;
  code: string;
  text: string;
  retry_after_ms?: number;
  place?: number;
}

/** Everything the server sends. */
export type ServerMessage =
  | {
      type: 'welcome';
      conversation?: string;
      seq: number;
      token?: string;
      server: { version: string; heartbeat_ms: number };
    }
  | { type: 'ack'; id: string; seq: number; at: string }
  | Refused
  | WireEvent
  | { type: 'typing'; conversation: string; role?: Role; from?: From; text?: string }
  | { type: 'read'; conversation: string; role?: Role; from?: From; seq: number }
  | Presence
  | { type: 'shedding'; step: SheddingStep }
  | { type: 'error'; code: string; text: string; retry_after_ms?: number };

/** Everything a client sends. */
export type ClientMessage =
  | {
      type: 'hello';
      role: 'visitor';
      site: string;
      token?: string;
      conversation?: string;
      after: number;
      team?: string;
      page?: string;
    }
  | { type: 'hello'; role: 'agent'; token: string; conversations: Record<string, number> }
  | { type: 'message'; id: string; conversation?: string; content: Content }
  | { type: 'note'; id: string; conversation: string; text: string }
  | { type: 'typing'; conversation?: string; text?: string }
  | { type: 'read'; conversation?: string; seq: number }
  | { type: 'human' }
  | { type: 'rate'; score: number; text?: string }
  | { type: 'close'; conversation?: string }
  | { type: 'presence'; state: PresenceState; capacity?: number }
  | { type: 'transfer'; conversation: string; agent: string; note?: string }
  | { type: 'transfer'; conversation: string; team: string; note?: string }
  | { type: 'accept' | 'decline' | 'takeover' | 'unwatch'; conversation: string }
  | { type: 'watch'; conversation: string; after: number }
  | { type: 'whisper'; id: string; conversation: string; text: string };

const SERVER_TYPES = new Set([
  'welcome',
  'ack',
  'refused',
  'event',
  'typing',
  'read',
  'presence',
  'shedding',
  'error',
]);

const NAMELESS = { id: '' };

/**
 * Reads one text frame of the server. A type this client does not know yet is `undefined`: a newer server may
 * say more than an older page understands.
 */
export function decodeServer(text: string): ServerMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // Not JSON: the server's fault, and nothing here can be shown of it.
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const type = (value as { type?: unknown }).type;
  if (typeof type !== 'string' || !SERVER_TYPES.has(type)) return undefined;
  const message = value as ServerMessage;
  return message.type === 'refused' ? { ...NAMELESS, ...message } : message;
}

/** Bytes of a text on the wire. */
export function textBytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** An id for a message: 128 random bits, also where `crypto.randomUUID` is missing (plain HTTP). */
export function makeId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
