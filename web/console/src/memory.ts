/** What the console remembers in the browser: the login, the person's preferences, read positions, unsent text. */

import type { Outgoing, OutboxStore } from '@ringdesk/client';
import type { Login } from './api.ts';
import type { Language } from './words.ts';

const LOGIN = 'ringdesk-console:login';
const PREFERENCES = 'ringdesk-console:preferences';
/** Most read positions kept; the oldest go first. */
const READS_MAX = 1000;

export interface Preferences {
  language: Language;
  theme: 'system' | 'light' | 'dark';
  sound: boolean;
  notifications: boolean;
  presence: 'ready' | 'away';
  capacity: number;
}

function read(key: string): unknown {
  try {
    const text = localStorage.getItem(key);
    return text === null ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined; // Forbidden or not ours: begin anew.
  }
}

function write(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Full or forbidden: this page goes on from its own memory.
  }
}

export function loadLogin(): Login | undefined {
  return read(LOGIN) as Login | undefined;
}

export function saveLogin(login: Login | undefined): void {
  if (login === undefined) localStorage.removeItem(LOGIN);
  else write(LOGIN, login);
}

export function loadPreferences(): Preferences {
  const language = navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
  return {
    language,
    theme: 'system',
    sound: true,
    notifications: false,
    presence: 'away',
    capacity: 8,
    ...(read(PREFERENCES) as Partial<Preferences> | undefined),
  };
}

export function savePreferences(preferences: Preferences): void {
  write(PREFERENCES, preferences);
}

/** The last event read of each conversation, by one person. */
export class Reads {
  private readonly key: string;
  private positions: Record<string, number>;

  constructor(name: string) {
    this.key = `ringdesk-console:read:${name}`;
    this.positions = (read(this.key) as Record<string, number> | undefined) ?? {};
  }

  of(conversation: string): number {
    return this.positions[conversation] ?? 0;
  }

  set(conversation: string, seq: number): void {
    const { [conversation]: _old, ...rest } = this.positions;
    const kept = Object.entries(rest).slice(-(READS_MAX - 1));
    this.positions = { ...Object.fromEntries(kept), [conversation]: seq };
    write(this.key, this.positions);
  }
}

/** Unsent messages of one person, each under its own key so that two windows do not overwrite each other. */
export function openOutbox(name: string): OutboxStore {
  const prefix = `ringdesk-console:out:${name}:`;
  return {
    load: () =>
      Object.keys(localStorage)
        .filter((key) => key.startsWith(prefix))
        .flatMap((key) => (read(key) as Outgoing | undefined) ?? []),
    put: (entry) => {
      write(prefix + entry.id, entry);
    },
    remove: (id) => {
      localStorage.removeItem(prefix + id);
    },
  };
}
