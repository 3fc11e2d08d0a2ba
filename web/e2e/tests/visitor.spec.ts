/** What a visitor is asked, shown and promised: the rating, the read marks, and who sees what is being written. */

import { expect } from '@playwright/test';
import { AgentSeat, Customer, test } from './people.ts';

test('a rating by keyboard outlives a page load and a lost network, and is given once', async ({
  browser,
  desk,
}) => {
  const agent = await AgentSeat.take(browser, desk.server.url, 'mia');
  await agent.ready();
  const customer = await Customer.arrive(browser, desk.network.url);
  const { page } = customer;
  await customer.openChat();
  await customer.write('which tea?');
  await agent.open('which tea?');
  await agent.write('the green one');
  await agent.page.locator('[data-action=close]').click();
  await agent.page.locator('.ant-modal-confirm-btns .ant-btn-primary').click();
  await expect(page.getByText('How did we do?')).toBeVisible();
  await page.reload();
  await expect(page.getByText('How did we do?')).toBeVisible();

  const send = page.getByRole('button', { name: 'Send rating' });
  await page.getByRole('radio', { name: '1 star' }).press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await expect(page.getByRole('radio', { name: '3 stars' })).toBeChecked();
  await page.keyboard.press('Tab');
  await page.keyboard.type('quick');
  desk.network.cut();
  await send.press('Enter');
  await expect(page.getByRole('button', { name: 'Sending…' })).toBeDisabled();
  desk.network.heal();
  await expect(page.getByText('★★★ Thank you for your rating!')).toBeVisible();
  await expect(page.getByText('How did we do?')).toBeHidden();
  await expect(page.getByRole('button', { name: 'Start a new conversation' })).toBeFocused();
  await page.reload();
  await expect(page.getByText('★★★ Thank you for your rating!')).toBeVisible();
  await expect(page.getByText('How did we do?')).toBeHidden();

  await agent.tab(/Closed/);
  await agent.open('the green one');
  await expect(agent.page.locator('.log')).toContainText('★★★☆☆');
});

test('"Read" stands under the last message that an agent has read, also after a page load', async ({
  browser,
  desk,
}) => {
  const agent = await AgentSeat.take(browser, desk.server.url, 'mia');
  await agent.ready();
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  await customer.write('one');
  await expect(agent.rows).toHaveCount(1);
  const marks = customer.page.locator('ringdesk-widget .mine .meta');
  await expect(marks.last()).toContainText('Sent');
  await agent.open('one');
  await expect(marks.last()).toContainText('Read');
  await agent.page.context().close();
  await customer.write('two');
  await expect(marks.last()).toContainText('Sent');
  await customer.page.reload();
  await expect(marks.first()).toContainText('Read');
  await expect(marks.last()).toContainText('Sent');
});

for (const preview of [true, false]) {
  test(`an agent ${preview ? 'reads' : 'does not read'} what is being written where the page has previews ${preview ? 'on' : 'off'}`, async ({
    browser,
    desk,
  }) => {
    const agent = await AgentSeat.take(browser, desk.server.url, 'mia');
    await agent.ready();
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${desk.network.url}/demo${preview ? '?preview=on' : ''}`);
    const customer = new Customer(page);
    await customer.openChat();
    await customer.write('hello');
    await agent.open('hello');
    await expect(page.getByText('You are talking with mia')).toBeVisible();
    await customer.input.pressSequentially('not yet said');
    const typing = agent.page.locator('.typing');
    await expect(typing).toBeVisible();
    const told = page.getByText('We can read what you write as you write it');
    if (preview) {
      await expect(agent.page.getByText('not yet said').first()).toBeVisible();
      await expect(told).toBeVisible();
    } else {
      await expect(agent.page.getByText('not yet')).toHaveCount(0);
      await expect(told).toBeHidden();
    }
  });
}
