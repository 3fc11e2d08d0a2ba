/** The card that asks how it was: five stars, a remark, once a conversation. */

import { el, icon, ICONS } from './dom.ts';
import type { Words } from './words.ts';

const SCORE_MAX = 5;

export class Rating {
  readonly element: HTMLElement;
  private score = 0;
  private readonly stars: HTMLButtonElement[];
  private readonly more: HTMLElement;
  private readonly remark: HTMLTextAreaElement;

  constructor(words: Words, rated: (score: number, text: string) => void) {
    this.stars = Array.from({ length: SCORE_MAX }, (_, at) => this.star(at + 1, words));
    this.remark = el('textarea', {
      rows: '2',
      maxlength: '500',
      placeholder: words.rateText,
      'aria-label': words.rateText,
    });
    const send = el('button', { type: 'button', class: 'primary' }, words.rateSend);
    send.addEventListener('click', () => {
      rated(this.score, this.remark.value.trim());
    });
    this.more = el('div', { hidden: true }, this.remark, send);
    const group = el(
      'div',
      { class: 'stars', role: 'radiogroup', 'aria-label': words.rateAsk },
      ...this.stars,
    );
    this.element = el('div', { class: 'rate' }, el('p', {}, words.rateAsk), group, this.more);
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
      star.classList.toggle('on', at < score);
    });
  }
}
