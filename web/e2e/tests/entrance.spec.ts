/** How people get in: the one-time link, the first administrator, passwords, and adding a colleague. */

import { expect, test } from '@playwright/test';
import { AgentSeat } from './people.ts';
import { Server } from './server.ts';

const LINK = /https?:\/\/\S+setup\S*token=\S+/;

test('the link of the first start makes the administrator, once', async ({ page, browser }) => {
  const server = await Server.make();
  try {
    await server.start();
    const link = LINK.exec(server.printed)?.[0];
    expect(link, server.printed).toBeDefined();
    await page.goto(`${server.url}/console/`);
    await expect(page.getByText(/No administrator yet/)).toBeVisible();

    const address = new URL(link ?? '');
    await page.goto(server.url + address.pathname + address.search + address.hash);
    await expect(page.getByText('Set up your desk')).toBeVisible();
    const passwords = page.locator('input[type=password]');
    await page.locator('input[autocomplete=username]').fill('chief');
    await passwords.first().fill('a long password');
    await passwords.last().fill('another password');
    await page.locator('button[type=submit]').click();
    await expect(page.getByText('The two passwords differ.')).toBeVisible();
    await passwords.last().fill('a long password');
    await page.locator('button[type=submit]').click();
    await expect(page.locator('.presence')).toContainText('chief');
    expect(page.url()).not.toContain('token');

    await page.getByRole('link', { name: 'Team' }).click();
    await page.getByRole('button', { name: 'Add a person' }).click();
    const form = page.getByRole('dialog');
    await form.getByLabel('Name').fill('leo');
    await form.locator('input[type=password]').fill('leo has a password');
    await form.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(page.getByRole('cell', { name: /leo/ })).toBeVisible();

    const other = new AgentSeat(await (await browser.newContext()).newPage());
    await other.page.goto(server.url + address.pathname + address.search + address.hash);
    await other.page.locator('input[autocomplete=username]').fill('thief');
    for (const field of await other.page.locator('input[type=password]').all()) {
      await field.fill('a long password');
    }
    await other.page.locator('button[type=submit]').click();
    await expect(other.page.getByText(/not valid any more/)).toBeVisible();

    await other.page.goto(`${server.url}/console/`);
    await other.login('leo', 'wrong');
    await expect(other.page.getByText('Name or password is wrong.')).toBeVisible();
    await other.login('leo', 'leo has a password');
    await expect(other.page.locator('.presence')).toContainText('leo');
    await expect(other.page.getByRole('link', { name: 'Team' })).toHaveCount(0);
  } finally {
    await server.remove();
  }
});
