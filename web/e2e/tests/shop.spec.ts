/** The widget as a guest on somebody else's page, and on a phone. */

import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';
import { Customer, PHONE, test } from './people.ts';

/** What a page looks like to its owner: its elements, and where and how the text stands. */
function portrait(page: Page): Promise<unknown> {
  return page.evaluate(() => {
    const own = [...document.querySelectorAll('body *')].filter(
      (node) => !node.closest('ringdesk-widget'),
    );
    return own.map((node) => {
      const { x, y, width, height } = node.getBoundingClientRect();
      const { font, color, display } = getComputedStyle(node);
      return [node.tagName, x, y, width, height, font, color, display];
    });
  });
}

test('the shop is the same with and without the widget', async ({ browser, desk }) => {
  const bare = await (await browser.newContext()).newPage();
  await bare.route('**/widget.js', (route) => route.abort());
  await bare.goto(`${desk.network.url}/demo`);
  await expect(bare.locator('.tea')).toHaveCount(4);
  const before = await portrait(bare);
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  expect(await portrait(customer.page)).toEqual(before);
});

test('a page view opens no connection until the visitor does', async ({ browser, desk }) => {
  const page = await (await browser.newContext()).newPage();
  let sockets = 0;
  page.on('websocket', () => {
    sockets += 1;
  });
  await page.goto(`${desk.network.url}/demo`);
  const customer = new Customer(page);
  await expect(page.getByRole('button', { name: 'Open chat' })).toBeVisible();
  expect(sockets).toBe(0);
  await customer.openChat();
  await expect.poll(() => sockets).toBe(1);
});

test('on a phone the panel is the screen', async ({ browser, desk }) => {
  const customer = await Customer.arrive(browser, desk.network.url, PHONE);
  await customer.openChat();
  const panel = customer.page.locator('ringdesk-widget .panel');
  // It slides in: where it comes to rest counts.
  await expect.poll(() => panel.boundingBox()).toEqual({ x: 0, y: 0, width: 390, height: 844 });
  await customer.write('从手机上写的');
  await expect(customer.page.getByText('You are next in line')).toBeVisible();
  const wide = await customer.page.evaluate(() => document.documentElement.scrollWidth);
  expect(wide).toBeLessThanOrEqual(390);
});

test('keys: Enter sends, Shift+Enter breaks the line, composing does neither, Escape closes', async ({
  browser,
  desk,
}) => {
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  await customer.input.pressSequentially('one');
  await customer.input.press('Shift+Enter');
  await customer.input.pressSequentially('two');
  // As an input method does while it offers characters.
  await customer.input.dispatchEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true });
  expect(await customer.said()).toEqual([]);
  await expect(customer.input).toHaveValue('one\ntwo');
  await customer.input.press('Enter');
  await expect.poll(() => customer.said()).toEqual(['one\ntwo']);
  await customer.input.press('Escape');
  await expect(customer.input).toBeHidden();
  await expect(customer.page.getByRole('button', { name: /Open chat/ })).toBeFocused();
});

test('what visitors write is text and never markup', async ({ browser, desk }) => {
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  const wicked = '<img src=x onerror="window.stolen=1"> javascript:alert(1) https://ok.test/a';
  await customer.write(wicked);
  await expect.poll(() => customer.said()).toEqual([wicked]);
  expect(await customer.page.evaluate(() => 'stolen' in window)).toBe(false);
  const links = customer.page.locator('ringdesk-widget .bubble a');
  await expect(links).toHaveCount(1);
  await expect(links).toHaveAttribute('href', 'https://ok.test/a');
});
