/**
 * What the widget remembers in the browser, per site and person.
 *
 * The record (token, conversation, transcript) is one entry; each unsent message is an entry of its own, so that
 * two tabs can write at the same time. Where storage is forbidden or full, the page remembers for itself.
 */

import type { Outgoing, OutboxStore, VisitorRecord, VisitorStore } from '@ringdesk/client';

const ROOT = 'ringdesk';

/** The name inside a signed identity, unverified: it only chooses the drawer, the server checks the token. */
export function subjectOf(token: string | undefined): string {
  const payload = token?.split('.')[1];
  if (payload === undefined) return '';
  try {
    const json = atob(payload.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(json, (letter) => letter.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown };
    return typeof claims.sub === 'string' ? claims.sub : '';
  } catch {
    return ''; // Not a token we understand; the server will say what is wrong with it.
  }
}

export function openStore(storage: Storage | undefined, site: string, who: string): VisitorStore {
  const prefix = `${ROOT}:${site}:${encodeURIComponent(who)}:`;
  const drawer = new Drawer(storage);
  const recordKey = `${prefix}record`;
  const outboxPrefix = `${prefix}out:`;
  const outbox: OutboxStore = {
    load: () =>
      drawer.under(outboxPrefix).flatMap((text) => (parse(text) as Outgoing | undefined) ?? []),
    put: (entry) => {
      drawer.set(outboxPrefix + entry.id, JSON.stringify(entry));
    },
    remove: (id) => {
      drawer.remove(outboxPrefix + id);
    },
  };
  return {
    outbox,
    load: () => parse(drawer.get(recordKey)) as VisitorRecord | undefined,
    save: (record) => {
      drawer.set(recordKey, JSON.stringify(record));
    },
    watch: (changed) => {
      addEventListener('storage', (event) => {
        if (event.key === null || event.key.startsWith(prefix)) changed();
      });
    },
  };
}

/** Whether the panel is open in this tab. */
export function rememberOpen(storage: Storage | undefined, open: boolean): void {
  new Drawer(storage).set(`${ROOT}:open`, open ? '1' : '0');
}

export function wasOpen(storage: Storage | undefined): boolean {
  return new Drawer(storage).get(`${ROOT}:open`) === '1';
}

/** The browser's storage, or `undefined` where merely touching it throws. */
export function browserStorage(name: 'localStorage' | 'sessionStorage'): Storage | undefined {
  try {
    return window[name];
  } catch {
    return undefined;
  }
}

/** A storage that never throws: what the browser will not take is remembered here until the page goes. */
class Drawer {
  private readonly own = new Map<string, string>();
  private readonly storage: Storage | undefined;

  constructor(storage: Storage | undefined) {
    this.storage = storage;
  }

  get(key: string): string | null {
    return this.own.get(key) ?? this.storage?.getItem(key) ?? null;
  }

  set(key: string, value: string): void {
    try {
      if (this.storage === undefined) throw new Error('no storage');
      this.storage.setItem(key, value);
      this.own.delete(key);
    } catch {
      this.own.set(key, value);
    }
  }

  remove(key: string): void {
    this.own.delete(key);
    this.storage?.removeItem(key);
  }

  under(prefix: string): string[] {
    const keys = new Set(this.own.keys());
    for (let at = 0; at < (this.storage?.length ?? 0); at += 1) {
      const key = this.storage?.key(at);
      if (typeof key === 'string') keys.add(key);
    }
    return [...keys].filter((key) => key.startsWith(prefix)).flatMap((key) => this.get(key) ?? []);
  }
}

function parse(text: string | null): unknown {
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // Written by nobody we know; begin anew.
  }
}
