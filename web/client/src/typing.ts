/**
 * Tells that somebody types: now and then, and only while they do.
 *
 * With a preview it also tells what is written, where the shop has switched that on: then the newest words go out
 * behind the ones before them, so that nobody reads half a sentence for long.
 */

/** Shortest time between two `typing` of ours. */
const TYPING_EVERY_MS = 2_500;
/** The same where the words go with it. */
const PREVIEW_EVERY_MS = 1_000;
/** Longest preview in letters; the server cuts at 512 bytes, and a letter has up to 4. */
const PREVIEW_LETTERS_MAX = 128;

export class Typing {
  private readonly send: (preview: string | undefined) => void;
  private readonly preview: boolean;
  private at = 0;
  private next: ReturnType<typeof setTimeout> | undefined;

  constructor(preview: boolean, send: (preview: string | undefined) => void) {
    this.preview = preview;
    this.send = send;
  }

  /** The draft changed. */
  wrote(draft: string): void {
    clearTimeout(this.next);
    const since = Date.now() - this.at;
    if (!this.preview) {
      if (since >= TYPING_EVERY_MS) this.tell(undefined);
    } else if (since >= PREVIEW_EVERY_MS) {
      this.tell(ending(draft));
    } else {
      this.next = setTimeout(() => {
        this.tell(ending(draft));
      }, PREVIEW_EVERY_MS - since);
    }
  }

  /** The draft was sent: what was still to be told of it is old, and the next one is news at once. */
  done(): void {
    clearTimeout(this.next);
    this.at = 0;
  }

  private tell(preview: string | undefined): void {
    this.at = Date.now();
    this.send(preview);
  }
}

/** The end of a draft: what is being written is there. */
function ending(draft: string): string {
  return Array.from(draft).slice(-PREVIEW_LETTERS_MAX).join('');
}
