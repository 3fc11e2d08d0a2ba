/** What visitors and agents do on their screens, and the desk that a test gets: server, network, accounts. */

import { expect, test as base } from '@playwright/test';
import type { Browser, BrowserContextOptions, Locator, Page } from '@playwright/test';
import { Network } from './network.ts';
import { Server } from './server.ts';

export const PASSWORDS: Record<string, string> = {
  mia: 'correct horse mia',
  leo: 'correct horse leo',
  安娜: 'correct horse anna',
};

export const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  isMobile: true,
  hasTouch: true,
  deviceScaleFactor: 2,
};

export interface Desk {
  server: Server;
  /** The visitors' road to the server. */
  network: Network;
}

export const test = base.extend<{ desk: Desk; serve: string[] }>({
  /** Options of the server, by `test.use`. */
  serve: [[], { option: true }],
  desk: async ({ browser, serve }, use) => {
    const server = await Server.make(serve);
    server.addAccount('mia', 'admin', PASSWORDS.mia ?? '');
    server.addAccount('leo', 'agent', PASSWORDS.leo ?? '');
    await server.start();
    const network = await Network.make(server.port);
    await use({ server, network });
    // The browser is the whole suite's: pages left open would look for their server for as long as it runs.
    for (const context of browser.contexts()) await context.close();
    network.close();
    await server.remove();
  },
});

/** An agent in the console. */
export class AgentSeat {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  static async take(
    browser: Browser,
    url: string,
    name: string,
    options: BrowserContextOptions = {},
  ): Promise<AgentSeat> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    await page.goto(`${url}/console/`);
    const seat = new AgentSeat(page);
    await seat.login(name, PASSWORDS[name] ?? '');
    await expect(page.locator('.presence')).toBeVisible();
    return seat;
  }

  async login(name: string, password: string): Promise<void> {
    await this.page.locator('input[autocomplete=username]').fill(name);
    await this.page.locator('input[type=password]').fill(password);
    await this.page.locator('button[type=submit]').click();
  }

  async ready(): Promise<void> {
    await this.page.getByRole('button', { name: /Set me ready|切换为在线/ }).click();
    await expect(this.page.getByText(/Taking conversations|正在接收新会话/).first()).toBeVisible();
  }

  /** The conversations of the list in view, most needy first. */
  get rows(): Locator {
    return this.page.locator('.list .row');
  }

  async tab(label: RegExp): Promise<void> {
    await this.page.locator('.tabs .ant-segmented-item', { hasText: label }).click();
  }

  async open(text: string): Promise<void> {
    await this.rows.filter({ hasText: text }).first().click();
    await expect(this.page.locator('.talk :is(.composer, .read-only)').first()).toBeVisible();
  }

  /** Escape closes what is on top, which may still be the hint of the button that opened the dialog. */
  async leaveDialog(): Promise<void> {
    await expect(async () => {
      await this.page.keyboard.press('Escape');
      await expect(this.page.getByRole('dialog')).toBeHidden({ timeout: 1_000 });
    }).toPass();
  }

  async write(text: string): Promise<void> {
    const input = this.page.locator('.composer textarea');
    await input.fill(text);
    await input.press('Enter');
  }

  /** A REST call with this person's login; answers the status. */
  call(method: string, path: string, body?: unknown): Promise<number> {
    return this.page.evaluate(
      async ([method, path, body]) => {
        const login = localStorage.getItem('ringdesk-console:login') ?? '{}';
        const { token = '' } = JSON.parse(login) as { token?: string };
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
        const response = await fetch(`/api/v1/${path}`, { method, headers, body });
        return response.status;
      },
      [method, path, body === undefined ? null : JSON.stringify(body)] as const,
    );
  }

  /** What is said on the screen, from the top. */
  said(): Promise<string[]> {
    return this.page.locator('.talk .bubble-row:not(.pending) .bubble p').allInnerTexts();
  }
}

/** A visitor on the demo shop. */
export class Customer {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  static async arrive(
    browser: Browser,
    url: string,
    options: BrowserContextOptions & { token?: string } = {},
  ): Promise<Customer> {
    const { token, ...context } = options;
    const page = await (await browser.newContext(context)).newPage();
    const query = token === undefined ? '' : `?token=${encodeURIComponent(token)}`;
    await page.goto(`${url}/demo${query}`);
    return new Customer(page);
  }

  get input(): Locator {
    return this.page.getByRole('textbox', { name: /Your message|输入消息/ });
  }

  async openChat(): Promise<void> {
    await this.page.getByRole('button', { name: /Open chat|打开在线客服/ }).click();
    await expect(this.input).toBeVisible();
  }

  async write(text: string): Promise<void> {
    await this.input.fill(text);
    await this.input.press('Enter');
  }

  /** What is said on the screen and durable, from the top, without the widget's own greeting. */
  async said(): Promise<string[]> {
    return (await this.page.locator('ringdesk-widget .row:not(.wait) .text').allInnerTexts()).slice(
      1,
    );
  }
}

/** Both see these, in this order, and nothing else. */
export async function bothSee(
  customer: Customer,
  agent: AgentSeat,
  texts: readonly string[],
): Promise<void> {
  await expect.poll(() => customer.said()).toEqual(texts);
  await expect.poll(() => agent.said()).toEqual(texts);
}

/** Both see the same, each of these exactly once, and each person's own in the order written. */
export async function bothSeeAll(
  customer: Customer,
  agent: AgentSeat,
  rows: readonly (readonly string[])[],
): Promise<void> {
  const wanted = rows.flat().sort();
  await expect
    .poll(async () => (await customer.said()).sort(), { timeout: 40_000 })
    .toEqual(wanted);
  await expect.poll(async () => (await agent.said()).sort(), { timeout: 40_000 }).toEqual(wanted);
  const order = await customer.said();
  expect(await agent.said()).toEqual(order);
  for (const row of rows) expect(order.filter((text) => row.includes(text))).toEqual(row);
}
