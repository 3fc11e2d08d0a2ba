/** Finds web addresses in plain text. Makes parts, never markup: the caller sets them as text and `href`. */

export type Part = { text: string } | { text: string; href: string };

// Stops at blanks and at the Chinese punctuation that people put right behind an address.
const ADDRESS = /https?:\/\/[^\s<>"'`，。；：！？、（）【】《》「」]+/gi;
const TRAILING = /[.,;:!?)\]}]+$/;

export function splitLinks(text: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const found = trimmed(match[0]);
    const href = safeUrl(found);
    if (href === undefined) continue;
    if (match.index > at) parts.push({ text: text.slice(at, match.index) });
    parts.push({ text: found, href });
    at = match.index + found.length;
  }
  if (at < text.length) parts.push({ text: text.slice(at) });
  return parts;
}

/** Without the sentence's own punctuation; a closing bracket stays where the address opened it. */
function trimmed(address: string): string {
  const tail = TRAILING.exec(address)?.[0] ?? '';
  const keep = tail.startsWith(')') && address.includes('(') ? 1 : 0;
  return tail === '' ? address : address.slice(0, address.length - tail.length + keep);
}

/** The address if following it is harmless: http and https only, so no `javascript:` and no `data:`. */
export function safeUrl(address: string, base?: string): string | undefined {
  try {
    const url = new URL(address, base);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : undefined;
  } catch {
    return undefined;
  }
}
