/** Nobody is there, or nobody has time: a message is left, read later, and answered. */

import { expect } from '@playwright/test';
import { AgentSeat, bothSee, Customer, PASSWORDS, test } from './people.ts';
import type { Desk } from './people.ts';

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
/** Nine o'clock in UTC where these visitors live. */
const NINE_IN_SHANGHAI = '17:00';

function setHours(desk: Desk, week: Record<string, string[]> | undefined): Promise<void> {
  const hours = week === undefined ? undefined : { zone: 'UTC', week };
  return desk.server.setTeam('mia', PASSWORDS.mia ?? '', { hours });
}

/** Closed today, open tomorrow from nine. */
function closeUntilTomorrow(desk: Desk): Promise<void> {
  const tomorrow = DAYS[(new Date().getUTCDay() + 1) % 7] ?? '';
  return setHours(desk, { [tomorrow]: ['09:00-17:00'] });
}

test('a message is left at night, and taken up and answered when the desk is open', async ({
  browser,
  desk,
}) => {
  await closeUntilTomorrow(desk);
  const customer = await Customer.arrive(browser, desk.network.url);
  const { page } = customer;
  await customer.openChat();
  await customer.write('my tin leaks');
  const form = page.getByRole('form', { name: /Leave a message/ });
  await expect(form).toBeVisible();
  await expect(page.getByText(`at ${NINE_IN_SHANGHAI} (your time)`)).toBeVisible();
  const message = page.getByRole('textbox', { name: 'Your message' });
  await expect(message).toBeFocused();
  await expect(message).toHaveValue('my tin leaks');

  await message.fill('My tin leaks, order 17.\nPlease send another.');
  await message.press('Tab');
  await page.keyboard.type('Ann');
  await page.keyboard.press('Enter');
  const contact = page.getByRole('textbox', { name: 'Phone or e-mail' });
  await expect(page.getByText('Would you add one?')).toBeVisible();
  await expect(contact).toBeFocused();
  await contact.fill('ann@shop.test');
  await contact.press('Enter');
  await expect(page.getByText('Thank you, we have your message')).toBeVisible();
  await expect(form).toBeHidden();
  await expect(customer.input).toBeFocused();
  await expect(customer.input).toHaveValue('');

  const left =
    'Message: My tin leaks, order 17.\nPlease send another.\nName: Ann\nE-mail: ann@shop.test';
  await page.reload();
  await expect(page.getByText('Thank you, we have your message')).toBeVisible();
  await expect.poll(() => customer.said()).toEqual(['my tin leaks', left]);
  await customer.write('it is the green one');
  await expect(page.getByText('Thank you, we have your message')).toBeVisible();

  await setHours(desk, undefined);
  const agent = await AgentSeat.take(browser, desk.server.url, 'mia');
  await agent.ready();
  await customer.write('good morning');
  await agent.open('good morning');
  await expect(page.getByText('You are talking with mia')).toBeVisible();
  await expect(page.getByText('Thank you, we have your message')).toBeHidden();
  await agent.write('A new one is on its way.');
  await bothSee(customer, agent, [
    'my tin leaks',
    left,
    'it is the green one',
    'good morning',
    'A new one is on its way.',
  ]);
});

test('who waits when the desk closes is told so, and may leave a message without a connection', async ({
  browser,
  desk,
}) => {
  const customer = await Customer.arrive(browser, desk.network.url);
  const { page } = customer;
  await customer.openChat();
  await customer.write('patience');
  await expect(page.getByText('You are next in line')).toBeVisible();
  await customer.input.fill('half a sent');
  await closeUntilTomorrow(desk);
  await expect(page.getByRole('form', { name: /Leave a message/ })).toBeVisible();
  await expect(page.getByText(/in line/)).toBeHidden();

  desk.network.cut();
  await expect(page.getByText(/Reconnecting/)).toBeVisible();
  await page.getByRole('textbox', { name: 'Phone or e-mail' }).fill('138 0000 0000');
  await page.getByRole('button', { name: 'Leave message' }).click();
  await expect(page.getByText('Your message goes out as soon as you are')).toBeVisible();
  desk.network.heal();
  await expect(page.getByText('Thank you, we have your message')).toBeVisible();
  await expect
    .poll(() => customer.said())
    .toEqual(['patience', 'Message: patience\nPhone: 138 0000 0000']);
  await expect(customer.input).toHaveValue('half a sent');
});

test('who waits too long may leave a message, and is in line again with it', async ({
  browser,
  desk,
}) => {
  await desk.server.setTeam('mia', PASSWORDS.mia ?? '', { overflow_after_s: 1 });
  const customer = await Customer.arrive(browser, desk.network.url, { locale: 'zh-CN' });
  const { page } = customer;
  await customer.openChat();
  await customer.write('在吗');
  await expect(page.getByText('请留言，我们会尽快回复您。')).toBeVisible();
  await page.getByRole('textbox', { name: '电话或邮箱' }).fill('13800000000');
  await page.getByRole('button', { name: '提交留言' }).click();
  await expect(page.getByText('您已重新进入排队')).toBeVisible();
  await expect.poll(() => customer.said()).toEqual(['在吗', '留言：在吗\n电话：13800000000']);
});
