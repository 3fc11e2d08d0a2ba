/** The panel and its launcher: header, banners, list, cards and composer, kept true to the visitor's state. */

import { TEXT_BYTES_MAX, textBytes } from '@ringdesk/client';
import type { Visitor } from '@ringdesk/client';
import { el, icon, ICONS, say } from './dom.ts';
import { Leave } from './leave.ts';
import { Rating } from './rating.ts';
import { inkOn, STYLE } from './style.ts';
import { Transcript } from './transcript.ts';
import { spanText } from './wait.ts';
import type { Language, Words } from './words.ts';

/** From here on the composer says how much is left. */
const COUNT_FROM_BYTES = TEXT_BYTES_MAX - 1024;
const COLOR_DEFAULT = '#0b6b57';
const COMPOSER_PX_MAX = 140;
const LINE_PX = 40;

export interface PanelOptions {
  visitor: Visitor;
  words: Words;
  language: Language;
  base: string;
  color: string | undefined;
  /** Agents read along while the person writes, and the person is told so. */
  preview: boolean;
  /** The person opened or closed the panel. */
  toggled: (open: boolean) => void;
}

export class Panel {
  readonly host: HTMLElement;
  private readonly visitor: Visitor;
  private readonly words: Words;
  private readonly toggled: (open: boolean) => void;
  private readonly transcript: Transcript;
  private readonly rating: Rating;
  private readonly leave: Leave;
  private readonly preview: HTMLElement;
  private readonly title = el('h2', { id: 'title' });
  private readonly status = el('p', { role: 'status' });
  private readonly face = el('div', { class: 'face', 'aria-hidden': 'true' });
  private readonly banner = el('div', { class: 'banner', role: 'status' });
  private readonly place = el('div', { class: 'banner place', role: 'status' });
  private readonly typing = el('div', { class: 'typing', hidden: true });
  private readonly composer: HTMLFormElement;
  private readonly input: HTMLTextAreaElement;
  private readonly send: HTMLButtonElement;
  private readonly count = el('div', { class: 'count', role: 'status', hidden: true });
  private readonly over: HTMLElement;
  private readonly menu: HTMLElement;
  private readonly menuButton: HTMLButtonElement;
  private readonly menuHuman: HTMLButtonElement;
  private readonly menuEnd: HTMLButtonElement;
  private readonly panel: HTMLElement;
  private readonly launcher: HTMLButtonElement;
  private readonly badge = el('span', { class: 'badge', hidden: true, 'aria-hidden': 'true' });
  private readonly previews: boolean;
  private rows = 0;

  constructor(options: PanelOptions) {
    const { visitor, words } = options;
    this.visitor = visitor;
    this.words = words;
    this.toggled = options.toggled;
    this.previews = options.preview;
    this.transcript = new Transcript(options);
    this.rating = new Rating(words, (score, text) => {
      visitor.giveRating(score, text);
    });
    this.leave = new Leave({
      ...options,
      changed: () => {
        this.render(true);
      },
    });
    this.preview = el('div', { class: 'count', hidden: !options.preview }, words.preview);
    this.input = this.makeInput();
    this.send = el('button', { type: 'submit', class: 'send', 'aria-label': words.send });
    this.send.append(icon(ICONS.send));
    this.composer = el('form', { class: 'composer' }, this.input, this.send);
    this.composer.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    const again = el('button', { type: 'button', class: 'primary' }, words.again);
    again.addEventListener('click', () => {
      visitor.begin();
      this.rating.reset();
      this.render();
      this.input.focus();
    });
    this.over = el('div', { class: 'over', hidden: true }, again);
    this.menuHuman = this.menuItem(words.human, () => {
      visitor.askHuman();
    });
    this.menuEnd = this.menuItem(words.end, () => {
      visitor.end();
    });
    this.menu = el(
      'div',
      { class: 'menu', role: 'menu', hidden: true },
      this.menuHuman,
      this.menuEnd,
    );
    this.menuButton = this.headerButton(words.menu, ICONS.more, () => {
      this.showMenu(this.menu.hidden !== false);
    });
    this.menuButton.setAttribute('aria-haspopup', 'menu');
    this.panel = this.makePanel();
    this.launcher = el('button', { type: 'button', class: 'launcher', 'aria-expanded': 'false' });
    this.launcher.append(icon(ICONS.chat), this.badge);
    this.launcher.addEventListener('click', () => {
      this.show(!this.isOpen);
    });
    this.host = el('ringdesk-widget' as 'div', { lang: options.language });
    const root = this.host.attachShadow({ mode: 'open' });
    root.append(el('style', {}, STYLE), this.panel, this.launcher);
    this.paint(options.color);
    this.followViewport();
    visitor.subscribe(() => {
      this.render();
    });
    document.addEventListener('visibilitychange', () => {
      this.seen();
    });
    this.render();
  }

  get isOpen(): boolean {
    return this.panel.hidden === false;
  }

  show(open: boolean, focus = true): void {
    this.panel.hidden = !open;
    this.launcher.setAttribute('aria-expanded', String(open));
    this.launcher.firstChild?.replaceWith(icon(open ? ICONS.down : ICONS.chat));
    this.showMenu(false);
    this.toggled(open);
    this.render(open);
    if (!focus) return;
    if (open) this.focusInput();
    else this.launcher.focus();
  }

  private makePanel(): HTMLElement {
    const close = this.headerButton(this.words.close, ICONS.close, () => {
      this.show(false);
    });
    const who = el('div', { class: 'who' }, this.title, this.status);
    const header = el('header', {}, this.face, who, this.menuButton, close);
    const panel = el(
      'section',
      { class: 'panel', role: 'dialog', 'aria-labelledby': 'title', hidden: true },
      header,
      this.menu,
      this.banner,
      this.place,
      this.transcript.element,
      this.typing,
      this.rating.element,
      this.leave.element,
      this.over,
      this.composer,
      this.preview,
      this.count,
    );
    panel.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.isComposing) return;
      event.stopPropagation();
      if (this.menu.hidden) this.show(false);
      else this.showMenu(false);
    });
    panel.addEventListener('click', (event) => {
      if (!this.menu.hidden && !event.composedPath().includes(this.menuButton))
        this.showMenu(false);
    });
    return panel;
  }

  private makeInput(): HTMLTextAreaElement {
    const input = el('textarea', {
      rows: '1',
      'aria-label': this.words.write,
      enterkeyhint: 'send',
    });
    input.addEventListener('keydown', (event) => {
      // 229 is what Safari says for the Enter that ends a composition.
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- nothing newer tells it there
      const composing = event.isComposing || event.keyCode === 229;
      if (event.key !== 'Enter' || event.shiftKey || composing) return;
      event.preventDefault();
      this.submit();
    });
    input.addEventListener('input', () => {
      this.written();
      if (input.value.trim() !== '') this.visitor.typing(input.value);
    });
    return input;
  }

  private headerButton(label: string, path: string, pressed: () => void): HTMLButtonElement {
    const button = el('button', { type: 'button', 'aria-label': label, title: label });
    button.append(icon(path));
    button.addEventListener('click', pressed);
    return button;
  }

  private menuItem(label: string, chosen: () => void): HTMLButtonElement {
    return el('button', { type: 'button', role: 'menuitem', click: chosen }, label);
  }

  private showMenu(shown: boolean): void {
    this.menu.hidden = !shown;
    this.menuButton.setAttribute('aria-expanded', String(shown));
    if (shown) this.menu.querySelector<HTMLElement>('button:not([hidden])')?.focus();
  }

  private submit(): void {
    const text = this.input.value.trim();
    if (text === '' || textBytes(text) > TEXT_BYTES_MAX) return;
    this.input.value = '';
    this.written();
    this.visitor.say({ kind: 'text', text });
    this.render(true);
    this.input.focus();
  }

  /** The draft changed: height, counter and button follow. */
  private written(): void {
    const { input } = this;
    input.style.height = 'auto';
    input.style.height = `${String(Math.min(COMPOSER_PX_MAX, Math.max(LINE_PX, input.scrollHeight)))}px`;
    const bytes = textBytes(input.value.trim());
    const over = bytes - TEXT_BYTES_MAX;
    this.send.disabled = bytes === 0 || over > 0;
    this.count.hidden = bytes < COUNT_FROM_BYTES;
    this.count.classList.toggle('bad', over > 0);
    this.count.textContent = over > 0 ? this.words.tooLong(over) : this.words.lettersLeft(-over);
  }

  private render(follow = false): void {
    const { visitor, words } = this;
    const { talk } = visitor;
    const unread = visitor.unread;
    this.badge.hidden = unread === 0 || this.isOpen;
    this.badge.textContent = unread > 99 ? '99+' : String(unread);
    const label = this.isOpen ? words.close : words.open;
    const hint = unread > 0 && !this.isOpen ? ` (${words.unread(unread)})` : '';
    this.launcher.setAttribute('aria-label', label + hint);
    if (!this.isOpen) return;
    this.renderHead();
    const closed = talk.phase === 'closed';
    this.renderCards(closed);
    this.input.placeholder = talk.nobody === undefined ? words.placeholder : words.leaveMore;
    this.menuHuman.hidden = talk.phase !== 'waiting' || talk.nobody !== undefined;
    this.menuEnd.hidden = closed || talk.phase === 'new';
    this.menuButton.hidden = this.menuHuman.hidden && this.menuEnd.hidden;
    const mine = visitor.outbox.all().length + visitor.accepted.size + visitor.events.length;
    const grown = this.rows === 0;
    this.rows = mine;
    this.transcript.render(follow || grown);
    this.written();
    this.seen();
  }

  /** What stands between the list and the composer, or in the composer's place; the focus goes where it went on. */
  private renderCards(closed: boolean): void {
    const { visitor, rating, leave, composer, over } = this;
    const { talk } = visitor;
    const focused = this.host.shadowRoot?.activeElement ?? null;
    const within = [rating.element, leave.element, composer].some((part) => part.contains(focused));
    // Who was idle is not asked: the desk has closed the book on it.
    const asked = closed && talk.agent !== undefined && talk.closedBy !== 'system';
    rating.element.hidden = !asked || talk.rating !== undefined;
    rating.render(visitor.ratingUnderway);
    leave.render();
    over.hidden = !closed;
    composer.hidden = closed || leave.asks;
    this.preview.hidden = !this.previews || composer.hidden;
    if (!leave.asks && this.input.value === '') this.input.value = leave.takeDraft();
    if (within && focused?.getClientRects().length === 0) this.focusInput();
  }

  private focusInput(): void {
    if (this.leave.asks) this.leave.focus();
    else if (this.composer.hidden) this.over.querySelector('button')?.focus();
    else this.input.focus();
  }

  private renderHead(): void {
    const { visitor, words } = this;
    const { talk, link } = visitor;
    const connected = link.state.name === 'open';
    this.title.textContent = talk.phase === 'serving' ? (talk.agent ?? words.title) : words.title;
    this.face.replaceChildren(
      talk.phase === 'serving' ? (talk.agent?.slice(0, 1).toUpperCase() ?? '') : icon(ICONS.chat),
    );
    say(this.status, this.statusText());
    say(this.banner, this.trouble());
    // Without a connection nobody knows whether it is still so.
    say(this.place, connected ? this.placeText() : '');
    const typing = visitor.typingUntil > Date.now();
    if (this.typing.hidden === typing) {
      this.typing.hidden = !typing;
      const dots = el('span', { class: 'dots' }, el('i'), el('i'), el('i'));
      this.typing.replaceChildren(dots, words.typing(talk.agent ?? words.desk));
    }
  }

  private statusText(): string {
    const { talk } = this.visitor;
    if (talk.phase === 'serving' && talk.agent !== undefined) return this.words.with(talk.agent);
    if (talk.phase === 'closed') return this.words.ended;
    if (talk.nobody !== undefined) {
      return talk.nobody.reason === 'closed' ? this.words.nobody : this.words.nobodyFree;
    }
    return this.words.online;
  }

  private placeText(): string {
    const { visitor, words } = this;
    const { queue } = visitor.talk;
    if (queue === undefined) return '';
    const span = spanText(queue, words);
    return queue.place <= 1
      ? words.next(queue.team, span)
      : words.place(queue.place, queue.team, span);
  }

  private trouble(): string {
    const { link, notice, crowd } = this.visitor;
    if (!navigator.onLine) return this.words.offline;
    const { state } = link;
    if (state.name === 'waiting') return this.words.reconnecting;
    if (state.name === 'connecting') {
      return state.attempt > 0 ? this.words.reconnecting : this.words.connecting;
    }
    if (crowd !== undefined) {
      return this.words.crowd(Math.max(0, (crowd.place ?? 1) - 1), spanText(crowd, this.words));
    }
    // What the server says of it is for programmers.
    return notice === undefined ? '' : this.words.notTaken;
  }

  private seen(): void {
    if (this.isOpen && document.visibilityState === 'visible') this.visitor.markRead();
  }

  private paint(color: string | undefined): void {
    const ink = inkOn(color ?? '');
    const accent = color !== undefined && ink !== undefined ? color : COLOR_DEFAULT;
    this.host.style.setProperty('--accent', accent);
    this.host.style.setProperty('--on-accent', ink ?? '#ffffff');
  }

  /** On a phone the keyboard covers the page without telling it; the visual viewport says what is left. */
  private followViewport(): void {
    const view = window.visualViewport;
    if (view === null) return;
    const follow = (): void => {
      this.host.style.setProperty('--view', `${String(view.height)}px`);
      this.host.style.setProperty('--shift', `${String(view.offsetTop)}px`);
    };
    view.addEventListener('resize', follow);
    view.addEventListener('scroll', follow);
    follow();
  }
}
