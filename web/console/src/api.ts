/** The REST calls of the console. Every failure is an `ApiError` with the server's word for it. */

import type { PresenceState, WireEvent } from '@ringdesk/client';
import type { Board } from './board.ts';
import type { TeamSettings } from './team.ts';

const CALL_MS_MAX = 15_000;

export type AgentRole = 'agent' | 'supervisor' | 'admin';

export interface Login {
  token: string;
  name: string;
  role: AgentRole;
}

export interface Summary {
  id: string;
  site: string;
  visitor: string;
  name: string;
  vip: boolean;
  page: string;
  seq: number;
  phase: string;
  agent: string | null;
  team?: string;
  /** Lists say these; a single conversation's answer need not. */
  opened_at?: string;
  last_at?: string;
  preview?: string;
}

export interface Account {
  name: string;
  role: AgentRole;
  state?: PresenceState | 'gone';
  capacity?: number;
  serving?: number;
}

/** Something said that a search found. */
export interface Hit {
  event: WireEvent;
  visitor: string;
  name: string;
  vip: boolean;
  /** The text around the first match, in pieces. */
  snippet: { text: string; match?: boolean }[];
}

export interface EventsPage {
  events: WireEvent[];
  /** The newest event of the conversation, on this page or not. */
  last_seq: number;
}

export type ListState = 'open' | 'closed' | 'waiting' | 'mine' | 'left';

/** What agents say often. */
export interface Reply {
  shortcut: string;
  text: string;
}

export class ApiError extends Error {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly code: string;
  readonly retryAfter_s: number;

  constructor(status: number, code: string, text: string, retryAfter_s: number) {
    super(text);
    this.status = status;
    this.code = code;
    this.retryAfter_s = retryAfter_s;
  }
}

async function call<T>(method: string, path: string, token?: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = {};
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_MS_MAX),
    });
  } catch (cause) {
    throw new ApiError(0, 'unreachable', String(cause), 0);
  }
  const text = await response.text();
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T;
  throw refusal(response, text);
}

function refusal(response: Response, text: string): ApiError {
  let error: { code?: string; text?: string } = {};
  try {
    error = (JSON.parse(text) as { error?: typeof error }).error ?? {};
  } catch {
    // A proxy answered in its own words; the status says enough.
  }
  const wait = Number(response.headers.get('retry-after') ?? 0);
  const { code = `http_${String(response.status)}`, text: words = response.statusText } = error;
  return new ApiError(response.status, code, words, Number.isFinite(wait) ? wait : 0);
}

export function login(name: string, password: string): Promise<Login> {
  return call('POST', 'login', undefined, { name, password });
}

export function setupNeeded(): Promise<{ needed: boolean }> {
  return call('GET', 'setup');
}

export function setUp(token: string, name: string, password: string): Promise<Login> {
  return call('POST', 'setup', undefined, { token, name, password });
}

/** The calls that need a login. `onRefused` hears of a token that is not accepted any more. */
export class Api {
  private readonly token: string;
  private readonly onRefused: () => void;

  constructor(token: string, onRefused: () => void) {
    this.token = token;
    this.onRefused = onRefused;
  }

  me(): Promise<{ name: string; role: AgentRole }> {
    return this.ask('GET', 'me');
  }

  conversations(
    state: ListState,
    limit: number,
    before?: string,
  ): Promise<{ conversations: Summary[]; next?: string | number | null }> {
    const query = new URLSearchParams({ state, limit: String(limit) });
    if (before !== undefined) query.set('before', before);
    return this.ask('GET', `conversations?${query.toString()}`);
  }

  conversation(id: string): Promise<Summary> {
    return this.ask('GET', `conversations/${encodeURIComponent(id)}`);
  }

  events(id: string, after: number, limit: number): Promise<EventsPage> {
    const query = `after=${String(after)}&limit=${String(limit)}`;
    return this.ask('GET', `conversations/${encodeURIComponent(id)}/events?${query}`);
  }

  search(query: URLSearchParams): Promise<{ hits: Hit[]; next: string | null }> {
    return this.ask('GET', `search?${query.toString()}`);
  }

  agents(): Promise<{ agents: Account[] }> {
    return this.ask('GET', 'agents');
  }

  addAgent(name: string, role: AgentRole, password: string): Promise<unknown> {
    return this.ask('POST', 'agents', { name, role, password });
  }

  board(): Promise<Board> {
    return this.ask('GET', 'board');
  }

  teams(): Promise<{ teams: TeamSettings[] }> {
    return this.ask('GET', 'teams');
  }

  putTeam({ name, ...settings }: TeamSettings): Promise<TeamSettings> {
    return this.ask('PUT', `teams/${encodeURIComponent(name)}`, settings);
  }

  removeTeam(name: string): Promise<unknown> {
    return this.ask('DELETE', `teams/${encodeURIComponent(name)}`);
  }

  replies(): Promise<{ replies: Reply[] }> {
    return this.ask('GET', 'replies');
  }

  putReply({ shortcut, text }: Reply): Promise<Reply> {
    return this.ask('PUT', `replies/${encodeURIComponent(shortcut)}`, { text });
  }

  removeReply(shortcut: string): Promise<unknown> {
    return this.ask('DELETE', `replies/${encodeURIComponent(shortcut)}`);
  }

  identity(): Promise<{ secret: string }> {
    return this.ask('GET', 'settings/identity');
  }

  private async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    try {
      return await call<T>(method, path, this.token, body);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.onRefused();
      throw error;
    }
  }
}
