/**
 * The list of what was said: turns events and unsent messages into rows, and rows into elements.
 *
 * Rows have keys. What is there stays there, so that a screen reader reads each message once, when it comes.
 */

import { fold, TALK_NEW } from '@ringdesk/client';
import type { Outgoing, Talk, Visitor, WireEvent } from '@ringdesk/client';
import { contentElement, dayText, sameDay, timeText } from './bubbles.ts';
import { el, icon, ICONS } from './dom.ts';
import { endText, reasonText } from './reasons.ts';
import type { Language, Words } from './words.ts';

/** This near to the end counts as there. */
const END_PX = 60;

interface Row {
  key: string;
  build: () => HTMLElement;
  /** State of a message of ours; redrawn alone when it changes. */
  meta?: { text: string; build: () => (Node | string)[] };
}

/** How far a message is on its way. */
type Way = 'wait' | 'wait-busy' | 'wait-road' | 'sent' | 'failed';

export interface TranscriptOptions {
  visitor: Visitor;
  words: Words;
  language: Language;
  /** What relative addresses are relative to. */
  base: string;
}

export class Transcript {
  readonly element = el('div', { class: 'log', role: 'log', 'aria-live': 'polite', tabindex: '0' });
  private readonly nodes = new Map<string, { node: HTMLElement; meta: string }>();
  private readonly options: TranscriptOptions;
  private atEnd = true;

  constructor(options: TranscriptOptions) {
    this.options = options;
    this.element.setAttribute('aria-label', options.words.messages);
    this.element.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.element;
      this.atEnd = scrollHeight - scrollTop - clientHeight < END_PX;
    });
    // The rating card, a growing draft or a phone's keyboard take room away: what was last stays in sight.
    new ResizeObserver(() => {
      this.keepEnd();
    }).observe(this.element);
  }

  /** Brings the list up to date; stays at the end if it was there, or if the news is the person's own. */
  render(follow: boolean): void {
    const log = this.element;
    const rows = this.rows();
    const keys = new Set(rows.map((row) => row.key));
    for (const [key, { node }] of this.nodes) {
      if (keys.has(key)) continue;
      node.remove();
      this.nodes.delete(key);
    }
    let before: ChildNode | null = log.firstChild;
    for (const row of rows) {
      const node = this.place(row);
      if (node === before) before = node.nextSibling;
      else log.insertBefore(node, before);
    }
    if (follow) this.atEnd = true;
    this.keepEnd();
  }

  private keepEnd(): void {
    if (this.atEnd) this.element.scrollTop = this.element.scrollHeight;
  }

  private place(row: Row): HTMLElement {
    let known = this.nodes.get(row.key);
    if (known === undefined) {
      known = { node: row.build(), meta: '' };
      this.nodes.set(row.key, known);
    }
    if (row.meta !== undefined && row.meta.text !== known.meta) {
      known.meta = row.meta.text;
      known.node.querySelector('.meta')?.replaceChildren(...row.meta.build());
      known.node.classList.toggle('wait', row.meta.text.startsWith('wait'));
    }
    return known.node;
  }

  private rows(): Row[] {
    const { visitor, words } = this.options;
    const rows: Row[] = [];
    const marked = this.marked();
    let talk = TALK_NEW;
    let before: { conversation: string; at: Date } | undefined;
    for (const event of visitor.events) {
      const at = new Date(event.at);
      if (before === undefined || !sameDay(before.at, at)) rows.push(this.day(at, event));
      if (before !== undefined && before.conversation !== event.conversation) {
        rows.push(line(`new-${event.conversation}`, words.newer, 'split'));
        talk = TALK_NEW;
      }
      before = { conversation: event.conversation, at };
      const row = this.eventRow(event, marked, talk);
      talk = fold(talk, event);
      if (row !== undefined) rows.push(row);
    }
    rows.splice(rows[0]?.key.startsWith('day') ? 1 : 0, 0, this.greeting());
    for (const entry of visitor.accepted.values()) rows.push(this.mine(entry, 'sent'));
    for (const entry of visitor.outbox.all()) {
      rows.push(this.mine(entry, this.outgoing(entry)));
    }
    return rows;
  }

  private outgoing(entry: Outgoing): Way {
    const { visitor } = this.options;
    if (entry.failure !== undefined) return 'failed';
    if (visitor.waits(entry.id)) return 'wait-busy';
    return visitor.link.state.name === 'open' ? 'wait' : 'wait-road';
  }

  /** Our messages that have their state in words: the last one, and the last that an agent has read. */
  private marked(): WireEvent[] {
    const { visitor } = this.options;
    const own = visitor.events.filter(
      (event) => event.kind === 'message' && event.from.role === 'visitor',
    );
    const read = own.findLast((event) => this.isRead(event));
    return [own.at(-1), read].filter((event) => event !== undefined);
  }

  private isRead(event: WireEvent): boolean {
    return this.isCurrent(event) && this.options.visitor.readByAgent >= event.seq;
  }

  private isCurrent(event: WireEvent): boolean {
    return event.conversation === this.options.visitor.conversation;
  }

  private greeting(): Row {
    const { words } = this.options;
    const build = (): HTMLElement =>
      el(
        'div',
        { class: 'row' },
        el('span', { class: 'from' }, words.desk),
        el('div', { class: 'bubble' }, el('p', { class: 'text' }, words.greeting)),
      );
    return { key: 'greeting', build };
  }

  private day(at: Date, event: WireEvent): Row {
    const { words, language } = this.options;
    const key = `day-${event.conversation}-${String(event.seq)}`;
    return line(key, dayText(at, new Date(), words, language));
  }

  /** `talk` is how the conversation stood before. */
  private eventRow(event: WireEvent, marked: WireEvent[], talk: Talk): Row | undefined {
    const { visitor, words } = this.options;
    const key = `${event.conversation}-${String(event.seq)}`;
    switch (event.kind) {
      case 'message':
        return event.from.role === 'visitor'
          ? this.mineTold(event, marked.includes(event))
          : this.theirs(key, event);
      case 'assigned':
        if (event.content.agent !== null) return line(key, words.joined(event.content.agent));
        // An absence that lasts is told by the card below.
        if (this.isCurrent(event) && visitor.talk.nobody?.seq === event.seq) return undefined;
        return line(key, reasonText(event.content, talk, words));
      case 'transferred':
        return line(key, words.transferred(event.content.to));
      case 'closed':
        return line(key, endText(event.content, words));
      case 'rating':
        return line(key, `${'★'.repeat(event.content.score)} ${words.rateThanks}`);
      case 'queue': // Shown above the list, always with the latest place.
        return talk.nobody === undefined ? undefined : line(key, words.inLineAgain);
      case 'note':
        return undefined;
    }
  }

  private theirs(key: string, event: WireEvent & { kind: 'message' }): Row {
    const { words, language, base } = this.options;
    const time = timeText(new Date(event.at), language);
    const build = (): HTMLElement =>
      el(
        'div',
        { class: 'row' },
        el('span', { class: 'from' }, event.from.name || words.desk),
        el('div', { class: 'bubble' }, contentElement(event.content, words, base)),
        el('span', { class: 'meta' }, time),
      );
    return { key, build };
  }

  /** A message of ours that the desk has. Its key is its own id, so it stays the element it was when unsent. */
  private mineTold(event: WireEvent & { kind: 'message' }, isMarked: boolean): Row {
    const { words, language } = this.options;
    const read = this.isRead(event);
    const time = timeText(new Date(event.at), language);
    const state = read ? words.read : words.sent;
    const drawing = icon(read ? ICONS.read : ICONS.sent);
    return {
      key: ownKey(event),
      build: () => this.mineElement(event.content),
      meta: isMarked
        ? { text: `${state} ${time}`, build: () => [time, drawing, state] }
        : { text: `${time} ${String(read)}`, build: () => [time, drawing] },
    };
  }

  private mine(entry: Outgoing, state: Way): Row {
    const { words, language } = this.options;
    const time = timeText(new Date(entry.at), language);
    const meta: Row['meta'] = {
      text: `${state} ${entry.failure?.code ?? ''}`,
      build: () => {
        if (state === 'wait') return [icon(ICONS.clock), words.sending];
        if (state === 'wait-road') return [icon(ICONS.clock), words.unconnected];
        if (state === 'wait-busy') return [icon(ICONS.clock), words.busy];
        if (state === 'sent') return [time, icon(ICONS.sent), words.sent];
        return this.failed(entry);
      },
    };
    const { body } = entry;
    const content =
      body.type === 'message' ? body.content : { kind: 'text' as const, text: body.text };
    return { key: entry.id, build: () => this.mineElement(content), meta };
  }

  private failed(entry: Outgoing): Node[] {
    const { visitor, words } = this.options;
    const retry = (): void => {
      visitor.retry(entry.id);
    };
    const discard = (): void => {
      visitor.discard(entry.id);
    };
    return [
      el('span', { class: 'bad', title: entry.failure?.text }, icon(ICONS.alert), words.failed),
      el('button', { type: 'button', click: retry }, words.retry),
      el('button', { type: 'button', click: discard }, words.discard),
    ];
  }

  private mineElement(content: Parameters<typeof contentElement>[0]): HTMLElement {
    const { words, base } = this.options;
    return el(
      'div',
      { class: 'row mine' },
      el('span', { class: 'hint' }, `${words.you}: `),
      el('div', { class: 'bubble' }, contentElement(content, words, base)),
      el('span', { class: 'meta' }),
    );
  }
}

function line(key: string, text: string, extra = ''): Row {
  return { key, build: () => el('div', { class: `line ${extra}` }, text) };
}

/** A message keeps the key it had while unsent; one that was made elsewhere has its place in the conversation. */
function ownKey(event: WireEvent): string {
  const { id = '' } = event;
  return id === '' ? `${event.conversation}-${String(event.seq)}` : id;
}
