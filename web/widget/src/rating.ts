/** The card that asks how it was: five stars, a remark, once a conversation. */

import { el, icon, ICONS } from './dom.ts';
import type { Words } from './words.ts';

const SCORE_MAX = 5;

export class Rating {
  readonly element: HTMLElement;
  private score = 0;
  private readonly words: Words;
  private readonly stars: HTMLButtonElement[];
  private readonly more: HTMLElement;
  private readonly remark: HTMLTextAreaElement;
  private readonly send: HTMLButtonElement;

  constructor(words: Words, rated: (score: number, text: string) => void) {
    this.words = words;
    this.stars = Array.from({ length: SCORE_MAX }, (_, at) => this.star(at + 1, words));
    this.remark = el('textarea', {
      rows: '2',
      maxlength: '500',
      placeholder: words.rateText,
      'aria-label': words.rateText,
    });
    this.send = el('button', { type: 'button', class: 'primary' }, words.rateSend);
    this.send.addEventListener('click', () => {
      rated(this.score, this.remark.value.trim());
    });
    this.more = el('div', { hidden: true }, this.remark, this.send);
    const group = el(
      'div',
      { class: 'stars', role: 'radiogroup', 'aria-label': words.rateAsk },
      ...this.stars,
    );
    const card = { class: 'rate', tabindex: '-1' };
    this.element = el('div', card, el('p', {}, words.rateAsk), group, this.more);
  }

  /** Shows the rating that is on its way, which can be changed no more; `undefined` when it is still asked for. */
  render(underway: { score: number; text?: string } | undefined): void {
    if (underway !== undefined) {
      this.choose(underway.score);
      this.remark.value = underway.text ?? '';
    }
    const isSent = underway !== undefined;
    // A control that is switched off would drop the focus somewhere outside.
    if (isSent && this.element.matches(':focus-within')) this.element.focus();
    for (const control of [...this.stars, this.remark, this.send]) control.disabled = isSent;
    this.send.textContent = isSent ? this.words.rateSending : this.words.rateSend;
  }

  /** Ready for another conversation. */
  reset(): void {
    this.choose(0);
    this.remark.value = '';
  }

  private star(score: number, words: Words): HTMLButtonElement {
    const star = el('button', {
      type: 'button',
      role: 'radio',
      'aria-checked': 'false',
      'aria-label': words.star(score),
      // One stop for the Tab key, as with any group of radio buttons: the arrows go on from there.
      tabindex: score === 1 ? '0' : '-1',
    });
    star.append(icon(ICONS.star));
    star.addEventListener('click', () => {
      this.choose(score);
    });
    star.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.choose(Math.min(SCORE_MAX, Math.max(1, score + step)));
      this.stars[this.score - 1]?.focus();
    });
    return star;
  }

  private choose(score: number): void {
    this.score = score;
    this.more.hidden = score === 0;
    this.stars.forEach((star, at) => {
      star.setAttribute('aria-checked', String(at + 1 === score));
      star.tabIndex = at + 1 === Math.max(1, score) ? 0 : -1;
      star.classList.toggle('on', at < score);
    });
  }
}
