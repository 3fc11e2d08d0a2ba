/** What is said, as elements: text with links, picture, file, card and order; and the times and days around it. */

import type { Content } from '@ringdesk/client';
import { el, icon, ICONS } from './dom.ts';
import { safeUrl, splitLinks } from '@ringdesk/client';
import type { Language, Words } from './words.ts';

export const LOCALES: Record<Language, string> = { zh: 'zh-CN', en: 'en' };

export function contentElement(content: Content, words: Words, base: string): HTMLElement {
  switch (content.kind) {
    case 'text':
      return textElement(content.text);
    case 'image':
      return imageElement(content.url, content.name ?? '', base);
    case 'file': {
      const size = content.bytes === undefined ? words.file : bytesText(content.bytes);
      return tile(safeUrl(content.url, base), content.name, size, icon(ICONS.file));
    }
    case 'card': {
      const picture =
        content.image === undefined ? undefined : imageElement(content.image, '', base);
      return tile(link(content.url, base), content.title, content.text ?? '', picture);
    }
    case 'order': {
      const line = [content.title, content.amount].filter(Boolean).join(' · ');
      return tile(link(content.url, base), `${words.order} ${content.number}`, line);
    }
    default:
      // A kind that a newer server knows: its text, if it has one, says more than nothing.
      return textElement((content as { text?: string }).text ?? '…');
  }
}

/** One line of it, for a preview. */
export function contentLine(content: Content, words: Words): string {
  switch (content.kind) {
    case 'text':
      return content.text;
    case 'image':
      return content.name ?? '🖼';
    case 'file':
      return content.name;
    case 'card':
      return content.title;
    case 'order':
      return `${words.order} ${content.number}`;
  }
}

function link(url: string | undefined, base: string): string | undefined {
  return url === undefined ? undefined : safeUrl(url, base);
}

function textElement(text: string): HTMLElement {
  const node = el('p', { class: 'text' });
  for (const part of splitLinks(text)) {
    node.append('href' in part ? anchor(part.href, part.text) : part.text);
  }
  return node;
}

function anchor(href: string, ...children: (Node | string | undefined)[]): HTMLAnchorElement {
  return el('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow' }, ...children);
}

function imageElement(url: string, name: string, base: string): HTMLElement {
  const src = safeUrl(url, base);
  if (src === undefined) return textElement(name);
  return anchor(src, el('img', { src, alt: name, loading: 'lazy', class: 'image' }));
}

function tile(href: string | undefined, title: string, line: string, picture?: Node): HTMLElement {
  const words = el('span', { class: 'lines' }, el('b', {}, title), el('small', {}, line));
  if (href === undefined) return el('div', { class: 'tile' }, picture, words);
  const node = anchor(
    href,
    picture instanceof HTMLAnchorElement ? picture.firstChild! : picture,
    words,
  );
  node.className = 'tile';
  return node;
}

export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${String(bytes)} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(0)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

export function timeText(at: Date, language: Language): string {
  return at.toLocaleTimeString(LOCALES[language], {
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
  });
}

/** Today and yesterday by name, other days by date. */
export function dayText(at: Date, now: Date, words: Words, language: Language): string {
  const days = Math.round((midnight(now) - midnight(at)) / 86_400_000);
  if (days === 0) return words.today;
  if (days === 1) return words.yesterday;
  const year = at.getFullYear() === now.getFullYear() ? undefined : 'numeric';
  return at.toLocaleDateString(LOCALES[language], { year, month: 'long', day: 'numeric' });
}

export function sameDay(a: Date, b: Date): boolean {
  return midnight(a) === midnight(b);
}

/** When the day began, milliseconds since 1970. */
export function midnight(at: Date): number {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}
