/** What was said is found again, in Chinese and in English, and opens where it was said. */

import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';
import { AgentSeat, Customer, PHONE, test } from './people.ts';
import type { Desk } from './people.ts';

const QUESTION = '我想退款';
const ANSWER = 'Your refund is on its way';

/** A talk that is over for both, and the agent's console on the history. */
async function talked(
  browser: Parameters<typeof AgentSeat.take>[0],
  desk: Desk,
  options = {},
): Promise<Page> {
  const mia = await AgentSeat.take(browser, desk.server.url, 'mia', options);
  await mia.ready();
  const token = desk.server.visitorToken('customer-7', '王小明', 'vip');
  const customer = await Customer.arrive(browser, desk.network.url, { token });
  await customer.openChat();
  await customer.write(QUESTION);
  await mia.open(QUESTION);
  await mia.write(ANSWER);
  await expect(customer.page.getByText(ANSWER)).toBeVisible();
  await mia.page.goto(`${desk.server.url}/console/#/history`);
  return mia.page;
}

/** Asks until SQL has it, by Enter in the search box. */
async function find(page: Page, text: string): Promise<void> {
  const box = page.getByRole('textbox', { name: 'Search what was said' });
  await box.fill(text);
  await expect(async () => {
    await box.press('Enter');
    await expect(page.locator('.find')).toHaveCount(1, { timeout: 1_000 });
  }).toPass();
}

test('what was said is found and read where it was said', async ({ browser, desk }) => {
  const page = await talked(browser, desk);
  const box = page.getByRole('textbox', { name: 'Search what was said' });
  await expect(box).toBeFocused();
  await find(page, '退款');
  const row = page.locator('.find');
  await expect(row.locator('mark')).toHaveText('退款');
  await expect(row).toContainText('王小明');
  await expect(row).toContainText('Visitor: 我想退款');
  await expect(row.getByText('VIP')).toBeVisible();

  // By keyboard alone: down to the hit, open it, and back to the hit.
  await box.press('ArrowDown');
  await expect(row).toBeFocused();
  await page.keyboard.press('Enter');
  const transcript = page.getByRole('region', { name: 'Transcript: 王小明' });
  await expect(transcript.locator('.hit')).toHaveText(new RegExp(QUESTION));
  await expect(transcript).toContainText(ANSWER);
  await expect(transcript.locator('textarea')).toHaveCount(0);
  await expect(row).toBeFocused();

  // Without Enter, by the beginning of a word.
  await box.fill('refu');
  await expect(row.locator('mark')).toHaveText('refu');
  await expect(row).toContainText('You: ');
  await row.click();
  await expect(transcript.locator('.hit')).toHaveText(new RegExp(ANSWER));
  await page.getByRole('textbox', { name: 'Visitor ID' }).fill('nobody');
  await expect(page.getByText('Nothing found')).toBeVisible();
  await page.getByRole('button', { name: 'Search without filters' }).click();
  await expect(row).toHaveCount(1);
  await expect(box).toBeFocused();

  await transcript.getByRole('button', { name: 'Only this visitor' }).click();
  await expect(page.getByRole('textbox', { name: 'Visitor ID' })).toHaveValue('customer-7');
  await expect(row).toHaveCount(1);
  await row.click();
  await transcript.getByRole('button', { name: 'Open at the desk' }).click();
  await expect(page.locator('.composer')).toBeVisible();
  await page.getByRole('link', { name: 'Search history' }).click();
  await expect(box).toHaveValue('refu');
  await expect(row).toHaveCount(1);
});

test('days are those of the agent, and a refused search says why', async ({ browser, desk }) => {
  const page = await talked(browser, desk);
  await find(page, '退款');
  const asked = page.waitForRequest(/search\?.*from=/);
  await page.getByPlaceholder('Start date').click();
  await page.locator('.ant-picker-cell-today').first().click();
  await page.locator('.ant-picker-cell-today').first().click();
  const query = new URL((await asked).url()).searchParams;
  const midnight = await page.evaluate(() => new Date().setHours(0, 0, 0, 0));
  expect([query.get('from'), query.get('to')]).toEqual([
    String(midnight),
    String(midnight + 24 * 60 * 60 * 1000),
  ]);
  await expect(page.locator('.find')).toHaveCount(1);

  await page.getByRole('textbox', { name: 'Search what was said' }).fill('?!');
  await expect(page.getByRole('alert')).toContainText('q must have a letter');
  await page.route('**/api/v1/search?*', (route) => route.abort());
  await page.getByRole('textbox', { name: 'Search what was said' }).fill('退款');
  await expect(page.getByRole('alert')).toContainText('cannot be reached');
  await page.unroute('**/api/v1/search?*');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.locator('.find')).toHaveCount(1);
});

test('long results and long conversations come in pages', async ({ browser, desk }) => {
  const page = await talked(browser, desk);
  await page.getByRole('link', { name: 'Conversations' }).click();
  const composer = page.locator('.composer textarea');
  for (let number = 1; number <= 25; number += 1) {
    await composer.fill(`refund step ${String(number)}`);
    await composer.press('Enter');
  }
  await expect(page.locator('.bubble-row.pending')).toHaveCount(0);
  await page.getByRole('link', { name: 'Search history' }).click();
  const box = page.getByRole('textbox', { name: 'Search what was said' });
  await box.fill('refund');
  const rows = page.locator('.find');
  await expect(async () => {
    await box.press('Enter');
    await expect(rows.first()).toContainText('step 25', { timeout: 1_000 });
  }).toPass();
  await expect(rows).toHaveCount(20);
  await page.getByRole('button', { name: 'Show more' }).click();
  await expect(rows).toHaveCount(26);
  await expect(rows.nth(20)).toBeFocused();
  await expect(page.getByText('26 found')).toBeVisible();
  await rows.last().click();
  await expect(page.locator('.hit')).toBeInViewport();
  await expect(page.locator('.bubble', { hasText: 'step 25' })).not.toBeInViewport();
});

test('on a phone the list and the conversation are two steps', async ({ browser, desk }) => {
  const page = await talked(browser, desk, PHONE);
  await find(page, '退款');
  await page.locator('.find').tap();
  await expect(page.locator('.hit')).toBeInViewport();
  await expect(page.locator('.finds')).toBeHidden();
  await page.getByRole('button', { name: 'Back to the results' }).tap();
  await expect(page.locator('.find')).toBeFocused();
  await expect(page.locator('.hit')).toHaveCount(0);
});
