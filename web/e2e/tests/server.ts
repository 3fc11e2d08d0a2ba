/** The real server as a process of its own, with a fresh data directory and free ports. */

import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const START_MS_MAX = 20_000;
const BINARY =
  process.env.RINGDESK ?? join(import.meta.dirname, '../../../target/release/ringdesk');

export type AccountRole = 'agent' | 'supervisor' | 'admin';

export class Server {
  readonly data = mkdtempSync(join(tmpdir(), 'ringdesk-e2e-'));
  readonly port: number;
  /** What it has printed so far. */
  printed = '';
  private readonly metricsPort: number;
  private process: ChildProcess | undefined;

  private readonly options: readonly string[];

  private constructor(port: number, metricsPort: number, options: readonly string[]) {
    this.options = options;
    this.port = port;
    this.metricsPort = metricsPort;
  }

  /** `options` are what `ringdesk serve` is given beside its ports and data. */
  static async make(options: readonly string[] = []): Promise<Server> {
    if (!existsSync(BINARY)) {
      throw new Error(`no server at ${BINARY}: run \`make build\`, or name one with RINGDESK`);
    }
    return new Server(await freePort(), await freePort(), options);
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.port)}`;
  }

  addAccount(name: string, role: AccountRole, password: string): void {
    const flags = ['--data', this.data, '--name', name, '--role', role, '--password-stdin'];
    this.command(['agent', 'add', ...flags], password);
  }

  /** A signed identity, as a shop's back end would make it. */
  visitorToken(visitor: string, name: string, kind: 'vip' | 'normal'): string {
    const flags = ['--data', this.data, '--visitor', visitor, '--name', name, '--class', kind];
    return this.command(['visitor-token', ...flags], '').trim();
  }

  /** Sets the first team's hours and the like, as an administrator does over REST. */
  async setTeam(admin: string, password: string, settings: object): Promise<void> {
    const { token } = (await this.call('POST', 'login', { name: admin, password })) as {
      token: string;
    };
    await this.call('PUT', 'teams/default', settings, token);
  }

  /** Starts, or starts again, on the same port and data; returns when it is ready. */
  async start(): Promise<void> {
    const listen = ['--listen', `127.0.0.1:${String(this.port)}`];
    const metrics = ['--metrics', `127.0.0.1:${String(this.metricsPort)}`];
    const words = ['serve', ...listen, ...metrics, '--data', this.data, ...this.options];
    const child = spawn(BINARY, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.process = child;
    const hear = (chunk: Buffer): void => {
      this.printed += chunk.toString();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    await this.ready(child);
  }

  /** The power goes. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.data, { recursive: true, force: true });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.process;
    this.process = undefined;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  private async ready(child: ChildProcess): Promise<void> {
    const until = Date.now() + START_MS_MAX;
    while (Date.now() < until) {
      if (child.exitCode !== null) throw new Error(`the server ended:\n${this.printed}`);
      const answer = await fetch(`${this.url}/health/ready`).catch(() => undefined);
      // It serves before it has said so, and tests read what it says.
      if (answer?.ok === true && this.printed.includes('Metrics:')) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the server is not ready after ${String(START_MS_MAX)} ms:\n${this.printed}`);
  }

  private async call(method: string, path: string, body: object, token?: string): Promise<unknown> {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    const request = { method, headers, body: JSON.stringify(body) };
    const answer = await fetch(`${this.url}/api/v1/${path}`, request);
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return await answer.json();
  }

  private command(words: string[], input: string): string {
    const { status, stdout, stderr } = spawnSync(BINARY, words, { input, encoding: 'utf8' });
    if (status !== 0) throw new Error(`ringdesk ${words.join(' ')}: ${stderr}`);
    return stdout;
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => {
        resolve(port);
      });
    });
  });
}
