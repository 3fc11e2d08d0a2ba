/**
 * The road between a browser and the server, which a test can break.
 *
 * Chromium's own offline switch leaves open WebSockets alone; a road that is cut, or that swallows what is sent,
 * is what a phone in a lift has.
 */

import { connect, createServer } from 'node:net';
import type { Server as NetServer, Socket } from 'node:net';

export class Network {
  private readonly pairs = new Set<[Socket, Socket]>();
  private state: 'open' | 'cut' | 'silent' = 'open';
  private readonly server: NetServer;
  private port = 0;

  private constructor(target: number) {
    this.server = createServer((near) => {
      if (this.state === 'cut') {
        near.destroy();
        return;
      }
      this.join(near, connect(target, '127.0.0.1'));
    });
  }

  static make(target: number): Promise<Network> {
    const network = new Network(target);
    return new Promise((resolve) => {
      network.server.listen(0, '127.0.0.1', () => {
        const address = network.server.address();
        network.port = typeof address === 'object' && address !== null ? address.port : 0;
        resolve(network);
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.port)}`;
  }

  /** Breaks what is open and refuses what is new. */
  cut(): void {
    this.state = 'cut';
    this.breakAll();
  }

  /** Swallows everything, both ways, and tells nobody. */
  silence(): void {
    this.state = 'silent';
  }

  /** New connections go through; what was swallowed stays lost, and the connections it was lost on stay dead. */
  heal(): void {
    this.state = 'open';
  }

  close(): void {
    this.breakAll();
    this.server.close();
  }

  private join(near: Socket, far: Socket): void {
    const pair: [Socket, Socket] = [near, far];
    this.pairs.add(pair);
    // Once silent, a pair stays so: a road does not remember what it swallowed.
    let dead = this.state === 'silent';
    const carry = (to: Socket) => (chunk: Buffer) => {
      dead ||= this.state === 'silent';
      if (!dead) to.write(chunk);
    };
    const end = (): void => {
      near.destroy();
      far.destroy();
      this.pairs.delete(pair);
    };
    near.on('data', carry(far));
    far.on('data', carry(near));
    for (const socket of pair) {
      socket.on('error', end);
      socket.on('close', end);
    }
  }

  private breakAll(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
    this.pairs.clear();
  }
}
