/** Canned replies: which of them are meant by what was typed behind a slash, and what becomes of one. Pure. */

import type { Reply } from './api.ts';

/** Replies offered at once. */
export const OFFERED_MAX = 8;

/** What is looked for, where a text asks for canned replies: it begins with a slash and is one line. */
export function asked(text: string): string | undefined {
  return /^\/([^\n]*)$/.exec(text)?.[1];
}

/** Those that fit, the best first: by the beginning of the shortcut, then by a part of it, then by the text. */
export function fitting(replies: readonly Reply[], query: string): Reply[] {
  const wanted = query.trim().toLowerCase();
  const rank = ({ shortcut, text }: Reply): number => {
    const at = shortcut.toLowerCase().indexOf(wanted);
    if (at === 0) return 0;
    if (at > 0) return 1;
    return text.toLowerCase().includes(wanted) ? 2 : 3;
  };
  return replies
    .map((reply) => ({ reply, rank: rank(reply) }))
    .filter((one) => one.rank < 3)
    .sort((a, b) => a.rank - b.rank)
    .map((one) => one.reply)
    .slice(0, OFFERED_MAX);
}

/** The text with the names in their places. */
export function filled(text: string, visitor: string, agent: string): string {
  const names: Record<string, string> = { visitor, agent };
  return text.replace(/\{(visitor|agent)\}/g, (_, who: string) => names[who] ?? '');
}
