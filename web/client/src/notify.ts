/** Tells listeners that something changed, once for all that happens within one frame. */

const FRAME_MS = 16;

export class Notifier {
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** A timer and not an animation frame: hidden tabs count unread messages, too. */
  changed(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      for (const listener of this.listeners) listener();
    }, FRAME_MS);
  }
}
