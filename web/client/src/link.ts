/**
 * One WebSocket to the server that comes back by itself.
 *
 * It says hello, waits for the welcome, hands on what arrives, and reconnects with jittered back-off. It knows
 * nothing of conversations: what to say in the hello and what to resend after the welcome is its owner's.
 *
 * A browser can neither send a ping nor see one, so a dead path shows itself in three other ways: the `offline`
 * event, a message that stays unacknowledged (the owner calls `drop`), and a probe by HTTP after a long silence.
 */

import { decodeServer, SUBPROTOCOL } from './wire.ts';
import type { ClientMessage, ServerMessage } from './wire.ts';

/** Longest wait from opening a socket to the welcome. */
export const WELCOME_MS_MAX = 10_000;
/** First wait before a reconnect; doubled with each failure. */
export const BACKOFF_MS_MIN = 250;
/** Longest wait before a reconnect. */
export const BACKOFF_MS_MAX = 8_000;
/** Longest wait that a server is obeyed in: a page must not stay away for what may be a slip. */
export const RETRY_AFTER_MS_MAX = 60_000;
/** A link that held this long starts its back-off anew. */
export const STABLE_MS = 5_000;
/** Silence until the first welcome has said the server's own heartbeat. */
const HEARTBEAT_MS_DEFAULT = 30_000;

/** Close codes of `ringdesk.v1` that a client treats apart. */
export const CLOSE_BAD_MESSAGE = 4400;
export const CLOSE_TOKEN_REFUSED = 4401;
export const CLOSE_TRY_LATER = 1013;

/** The part of a WebSocket that a link uses, so that tests can bring their own. */
export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export type LinkState =
  /** Not asked to connect. */
  | { name: 'idle' }
  /** A socket is being opened, or its welcome is awaited. */
  | { name: 'connecting'; attempt: number }
  /** Welcomed. */
  | { name: 'open' }
  /** Waits before the next attempt. */
  | { name: 'waiting'; attempt: number; until: number };

export interface LinkOptions {
  url: string;
  /** The first message of each connection; `undefined` when there is nobody to be. */
  hello: () => ClientMessage | undefined;
  /** After the link is open; the owner resends what is not acknowledged. */
  onWelcome: (welcome: Extract<ServerMessage, { type: 'welcome' }>) => void;
  onMessage: (message: ServerMessage) => void;
  onState: (state: LinkState) => void;
  /** A connection ended. Return `false` to stay away until `connect` is called again. */
  onClose?: (code: number, welcomed: boolean) => boolean;
  /** Asked after a long silence: does the server still answer? */
  probe?: () => Promise<boolean>;
  connect?: (url: string, protocol: string) => Socket;
  random?: () => number;
}

export class Link {
  state: LinkState = { name: 'idle' };
  private socket: Socket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  /** When the server asked us to come back, from the end of the connection. */
  private retryAfter_ms: number | undefined;
  private openedAt = 0;
  private heartbeat_ms = HEARTBEAT_MS_DEFAULT;
  private readonly options: LinkOptions;

  constructor(options: LinkOptions) {
    this.options = options;
  }

  /** Opens, unless open or opening already. */
  connect(): void {
    if (this.state.name === 'connecting' || this.state.name === 'open') return;
    clearTimeout(this.timer);
    const hello = this.options.hello();
    if (hello === undefined) return;
    this.become({ name: 'connecting', attempt: this.failures });
    const open = this.options.connect ?? openWebSocket;
    const socket = open(this.options.url, SUBPROTOCOL);
    this.socket = socket;
    socket.onopen = () => {
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = (event) => {
      if (typeof event.data === 'string') this.receive(event.data);
    };
    socket.onclose = (event) => {
      this.lost(event.code);
    };
    this.timer = setTimeout(() => {
      this.drop();
    }, WELCOME_MS_MAX);
  }

  /** Sends now, or not at all: what must arrive is kept by the owner's outbox. */
  send(message: ClientMessage): boolean {
    if (this.state.name !== 'open' || this.socket === undefined) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /**
   * Gives the connection up as dead and reconnects. The closing handshake is not awaited: on a dead path it
   * would never come.
   */
  drop(): void {
    if (this.socket === undefined) return;
    this.release(1000);
    this.lost(1006);
  }

  /** Comes back at once, with a fresh hello: for a new conversation or another identity. */
  restart(): void {
    this.disconnect();
    this.failures = 0;
    this.connect();
  }

  /** Ends it and stays away. */
  disconnect(): void {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.release(1000);
    this.become({ name: 'idle' });
  }

  /** The browser says that the network went. */
  offline(): void {
    this.drop();
  }

  /** The browser says that the network is back: no reason to wait any longer. */
  online(): void {
    if (this.state.name !== 'waiting') return;
    this.failures = 0;
    this.connect();
  }

  /** The person looks at the page again after a while: ask whether the server still answers. */
  examine(): void {
    if (this.state.name === 'waiting') this.online();
    else if (this.state.name === 'open') this.ask();
  }

  private receive(text: string): void {
    const message = decodeServer(text);
    this.listen();
    if (message === undefined) return;
    if (message.type === 'welcome') {
      if (this.state.name !== 'connecting') return;
      clearTimeout(this.timer);
      this.heartbeat_ms = message.server.heartbeat_ms || HEARTBEAT_MS_DEFAULT;
      this.openedAt = Date.now();
      this.become({ name: 'open' });
      this.options.onWelcome(message);
      return;
    }
    if (message.type === 'error') this.retryAfter_ms = message.retry_after_ms;
    this.options.onMessage(message);
  }

  /** Restarts the measure of silence. */
  private listen(): void {
    clearTimeout(this.silence);
    if (this.options.probe === undefined) return;
    this.silence = setTimeout(() => {
      this.ask();
    }, this.heartbeat_ms * 1.5);
  }

  private ask(): void {
    const socket = this.socket;
    const probe = this.options.probe;
    if (socket === undefined || probe === undefined) return;
    probe().then(
      (alive) => {
        if (this.socket !== socket) return;
        if (alive) this.listen();
        else this.drop();
      },
      () => {
        if (this.socket === socket) this.drop();
      },
    );
  }

  /** Lets go of the socket so that nothing it still says can reach us. */
  private release(code: number): void {
    const socket = this.socket;
    this.socket = undefined;
    if (socket === undefined) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(code);
  }

  private lost(code: number): void {
    const welcomed = this.state.name === 'open';
    this.socket = undefined;
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    if (welcomed && Date.now() - this.openedAt >= STABLE_MS) this.failures = 0;
    const again = this.options.onClose?.(code, welcomed) ?? true;
    if (!again) {
      this.become({ name: 'idle' });
      return;
    }
    const wait = this.backoff_ms(code);
    this.failures += 1;
    this.become({ name: 'waiting', attempt: this.failures, until: Date.now() + wait });
    this.timer = setTimeout(() => {
      this.connect();
    }, wait);
  }

  /**
   * As long as the server has asked for, which gives each client another time; else between half and all of
   * the doubled wait, so that a crowd does not come back in one moment.
   */
  private backoff_ms(code: number): number {
    const asked = this.retryAfter_ms;
    this.retryAfter_ms = undefined;
    if (asked !== undefined && asked >= 0) return Math.min(RETRY_AFTER_MS_MAX, asked);
    const floor = code === CLOSE_TRY_LATER ? 1_000 : BACKOFF_MS_MIN;
    const full = Math.min(BACKOFF_MS_MAX, floor * 2 ** Math.min(this.failures, 10));
    return full * (0.5 + (this.options.random ?? Math.random)() / 2);
  }

  private become(state: LinkState): void {
    this.state = state;
    this.options.onState(state);
  }
}

function openWebSocket(url: string, protocol: string): Socket {
  return new WebSocket(url, protocol) as Socket;
}

/** Tells a link what the browser knows of the network; returns how to stop. */
export function watchNetwork(link: Link): () => void {
  const offline = (): void => {
    link.offline();
  };
  const online = (): void => {
    link.online();
  };
  const visible = (): void => {
    if (document.visibilityState === 'visible') link.examine();
  };
  addEventListener('offline', offline);
  addEventListener('online', online);
  document.addEventListener('visibilitychange', visible);
  return () => {
    removeEventListener('offline', offline);
    removeEventListener('online', online);
    document.removeEventListener('visibilitychange', visible);
  };
}
