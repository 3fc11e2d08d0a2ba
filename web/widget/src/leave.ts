/**
 * The card for when nobody is there: says so and until when, takes a message with a way to answer it, and tells
 * how far that message is.
 *
 * The message is an ordinary one whose lines are named, so that agents read it and the search finds it.
 */

import { TEXT_BYTES_MAX, textBytes } from '@ringdesk/client';
import type { Visitor } from '@ringdesk/client';
import { el, say } from './dom.ts';
import { whenText } from './wait.ts';
import type { Language, Words } from './words.ts';

const NAME_LETTERS_MAX = '80';
const CONTACT_LETTERS_MAX = '120';
/** The longest wait a browser's timer can be set for. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** How far the message that was left is. */
export type Left = 'unwritten' | 'sending' | 'waiting' | 'busy' | 'failed' | 'sent';

export interface LeaveOptions {
  visitor: Visitor;
  words: Words;
  language: Language;
  /** Something on the panel must change. */
  changed: () => void;
}

export class Leave {
  readonly element: HTMLElement;
  private readonly options: LeaveOptions;
  private readonly title = el('b');
  private readonly line = el('p');
  private readonly form: HTMLFormElement;
  private readonly text = el('textarea', {
    rows: '2',
    required: true,
    // Whoever is brought here without seeing it hears why.
    'aria-describedby': 'nobody',
  });
  private readonly name = el('input', { autocomplete: 'name', maxlength: NAME_LETTERS_MAX });
  private readonly contact = el('input', {
    autocomplete: 'email',
    maxlength: CONTACT_LETTERS_MAX,
    'aria-describedby': 'doubt',
  });
  private readonly doubt = el('p', { class: 'doubt', id: 'doubt', role: 'alert' });
  private readonly state = el('p', { class: 'state' });
  /** What was pointed out already: the second time the person means it. */
  private pointedOut = '';
  /** Which absence the form is for. */
  private absence = '';
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LeaveOptions) {
    const { words } = options;
    this.options = options;
    const send = el('button', { type: 'submit', class: 'primary' }, words.leaveSend);
    this.form = el(
      'form',
      { 'aria-label': words.leaveAsk },
      el('label', {}, words.leaveText, this.text),
      el('label', {}, words.leaveName, this.name),
      el('label', {}, words.leaveContact, this.contact),
      this.doubt,
      send,
    );
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    const notice = el('div', { id: 'nobody', role: 'status' }, this.title, this.line, this.state);
    this.element = el('section', { class: 'leave', hidden: true }, notice, this.form);
  }

  /** Whether the form takes the composer's place. */
  get asks(): boolean {
    return !this.element.hidden && !this.form.hidden;
  }

  render(): void {
    const { visitor, words, language } = this.options;
    const { nobody } = visitor.talk;
    this.element.hidden = nobody === undefined;
    if (nobody === undefined) return;
    const absence = `${visitor.conversation ?? ''}-${String(nobody.seq)}`;
    if (this.absence !== absence) this.prepare(absence);
    const opens = nobody.opens_at === undefined ? undefined : new Date(nobody.opens_at);
    const wait_ms = opens === undefined ? Infinity : opens.getTime() - Date.now();
    this.wake(wait_ms);
    const left = leftState(visitor);
    const isBack = wait_ms <= 0;
    const when = opens === undefined ? '' : whenText(opens, new Date(), words, language);
    say(this.title, nobody.reason === 'closed' ? words.nobody : words.nobodyFree);
    say(this.line, this.lineText(left, isBack, when));
    this.title.hidden = isBack || left === 'sent';
    this.form.hidden = isBack || left !== 'unwritten';
    say(this.state, stateText(left, isBack, when, words));
    this.state.classList.toggle('bad', left === 'failed');
  }

  focus(): void {
    this.text.focus();
  }

  /** What was begun here and not sent; it is not here any more then. */
  takeDraft(): string {
    const draft = this.text.value === this.text.defaultValue ? '' : this.text.value;
    this.text.value = this.text.defaultValue;
    return draft;
  }

  private lineText(left: Left, isBack: boolean, when: string): string {
    const { words } = this.options;
    if (isBack) return words.nobodyNow;
    if (left === 'sent') return '';
    const until = when === '' ? '' : words.nobodyUntil(when);
    return left === 'unwritten' ? until + words.leaveAsk : until;
  }

  /** The form for another absence begins with what the visitor has said and nobody answered. */
  private prepare(absence: string): void {
    const { visitor } = this.options;
    this.absence = absence;
    this.pointedOut = '';
    say(this.doubt, '');
    this.text.defaultValue = unanswered(visitor);
    this.text.value = this.text.defaultValue;
  }

  /** When the desk opens, the card must say something else. */
  private wake(wait_ms: number): void {
    clearTimeout(this.timer);
    if (wait_ms <= 0 || wait_ms === Infinity) return;
    this.timer = setTimeout(this.options.changed, Math.min(TIMER_MS_MAX, wait_ms));
  }

  private submit(): void {
    const { visitor, words } = this.options;
    const contact = this.contact.value.trim();
    const whole = leftText(this.text.value, this.name.value, contact, words);
    const over = textBytes(whole) - TEXT_BYTES_MAX;
    if (over > 0) {
      say(this.doubt, words.tooLong(over));
      return;
    }
    if (this.text.value.trim() === '') {
      this.text.focus();
      return;
    }
    const doubt = doubtOf(contact, words);
    if (doubt !== '' && this.pointedOut !== doubt) {
      this.pointedOut = doubt;
      say(this.doubt, doubt);
      this.contact.focus();
      this.element.scrollTop = this.element.scrollHeight;
      return;
    }
    say(this.doubt, '');
    visitor.leave(whole);
    this.text.value = this.text.defaultValue;
    this.options.changed();
  }
}

/** How far the message is that was left since nobody is there. */
export function leftState(visitor: Visitor): Left {
  const { left, talk, outbox, link } = visitor;
  if (left === undefined) return 'unwritten';
  const entry = outbox.all().find((one) => one.id === left);
  if (entry?.failure !== undefined) return 'failed';
  if (entry !== undefined) {
    if (link.state.name !== 'open') return 'waiting';
    return visitor.waits(left) ? 'busy' : 'sending';
  }
  const since = talk.nobody?.seq ?? 0;
  const isHere = visitor.events.some(
    (event) =>
      event.id === left && event.seq > since && event.conversation === visitor.conversation,
  );
  return isHere || visitor.accepted.has(left) ? 'sent' : 'unwritten';
}

function stateText(left: Left, isBack: boolean, when: string, words: Words): string {
  switch (left) {
    case 'unwritten':
      return '';
    case 'sending':
      return words.leaveSending;
    case 'waiting':
      return words.leaveWaiting;
    case 'busy':
      return words.leaveBusy;
    case 'failed':
      return words.leaveFailed;
    case 'sent':
      return when === '' || isBack ? words.leaveDone : words.leaveDoneUntil(when);
  }
}

/** The message as agents see it, each line with its name. */
export function leftText(text: string, name: string, contact: string, words: Words): string {
  const { lines } = words;
  const rows = [lines.text(text.trim())];
  if (name.trim() !== '') rows.push(lines.name(name.trim()));
  if (contact !== '') rows.push(lines[kindOf(contact)](contact));
  return rows.join('\n');
}

function kindOf(contact: string): 'phone' | 'mail' | 'contact' {
  if (/^\S+@\S+\.\S+$/.test(contact)) return 'mail';
  const digits = contact.replace(/\D/g, '').length;
  return digits >= 5 && /^[\d\s()+./-]+$/.test(contact) ? 'phone' : 'contact';
}

function doubtOf(contact: string, words: Words): string {
  if (contact === '') return words.leaveNoContact;
  return kindOf(contact) === 'contact' ? words.leaveOddContact : '';
}

/** What the visitor has said since the desk last spoke. */
function unanswered({ events, conversation, left }: Visitor): string {
  const said: string[] = [];
  for (const event of events) {
    if (event.conversation !== conversation || event.kind !== 'message') continue;
    if (event.from.role !== 'visitor') said.length = 0;
    else if (event.content.kind === 'text' && event.id !== left) said.push(event.content.text);
  }
  return said.join('\n');
}
