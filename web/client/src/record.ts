/** What a visitor's page remembers over its loads, and which of two tabs is right about it. */

import type { OutboxStore } from './outbox.ts';
import type { WireEvent } from './wire.ts';

/** Most events kept over page loads. */
export const TRANSCRIPT_MAX = 200;

/** What outlives the page. */
export interface VisitorRecord {
  token?: string;
  conversation?: string;
  /** When this browser began the conversation: of two tabs, the later one is right. */
  since: number;
  /** Last event we have of the conversation. */
  seq: number;
  /** Last event the person has seen. */
  read: number;
  /** Last of our messages that an agent has read. */
  readByAgent?: number;
  /** The message that was left when nobody was there. */
  left?: string;
  /** Given, and not yet seen among the events. */
  rate?: { score: number; text?: string };
  /** Events to show at once after a page load, those of earlier conversations first. */
  events: WireEvent[];
}

export interface VisitorStore {
  load(): VisitorRecord | undefined;
  save(record: VisitorRecord): void;
  outbox: OutboxStore;
  /** Another tab wrote. */
  watch(changed: () => void): void;
}

/** Whether another tab knows more than this one, so that ours must not be written over it. */
export function knowsMore(stored: VisitorRecord, own: VisitorRecord): boolean {
  return stored.conversation === own.conversation ? stored.seq > own.seq : stored.since > own.since;
}

/** Takes over what another tab knows of the same conversation. */
export function learn(own: VisitorRecord, stored: VisitorRecord): void {
  if (stored.conversation !== own.conversation) return;
  own.read = Math.max(own.read, stored.read);
  own.readByAgent = Math.max(own.readByAgent ?? 0, stored.readByAgent ?? 0);
  own.left ??= stored.left;
}
