/** The desk: places in the queue, transfer, notes, the end and the rating, VIP. */

import { expect } from '@playwright/test';
import { AgentSeat, bothSee, Customer, test } from './people.ts';

test('visitors see their place in line until an agent is ready', async ({ browser, desk }) => {
  const agent = await AgentSeat.take(browser, desk.server.url, 'mia');
  const first = await Customer.arrive(browser, desk.network.url);
  await first.openChat();
  await first.write('I was first');
  await expect(first.page.getByText('You are next in line')).toBeVisible();
  const second = await Customer.arrive(browser, desk.network.url);
  await second.openChat();
  await second.write('I was second');
  await expect(second.page.getByText('You are number 2 in line')).toBeVisible();
  await agent.tab(/Waiting/);
  await expect(agent.rows).toHaveCount(2);

  await agent.tab(/Mine/);
  await agent.ready();
  await expect(agent.rows).toHaveCount(2);
  await expect(first.page.getByText('You are talking with mia')).toBeVisible();
  await expect(second.page.getByText(/in line/)).toBeHidden();
});

test('a VIP goes before those who waited longer', async ({ browser, desk }) => {
  const normal = await Customer.arrive(browser, desk.network.url);
  await normal.openChat();
  await normal.write('patience');
  await expect(normal.page.getByText('You are next in line')).toBeVisible();
  const token = desk.server.visitorToken('customer-7', '王小明', 'vip');
  const vip = await Customer.arrive(browser, desk.network.url, { token });
  await vip.openChat();
  await vip.write('hello from the front');
  await expect(vip.page.getByText('You are next in line')).toBeVisible();
  await expect(normal.page.getByText('You are number 2 in line')).toBeVisible();

  const agent = await AgentSeat.take(browser, desk.server.url, 'mia');
  await agent.ready();
  await expect(agent.rows.first()).toContainText('王小明');
  await expect(agent.rows.first().getByText('VIP')).toBeVisible();
});

test('a VIP who has just come is marked as one without another word', async ({ browser, desk }) => {
  const agent = await AgentSeat.take(browser, desk.server.url, 'mia');
  await agent.ready();
  const token = desk.server.visitorToken('customer-7', '王小明', 'vip');
  const vip = await Customer.arrive(browser, desk.network.url, { token });
  await vip.openChat();
  await vip.write('hello');
  await agent.open('hello');
  await expect(agent.page.locator('.talk-head')).toContainText('王小明');
  await expect(agent.page.locator('.talk-head').getByText('VIP')).toBeVisible();
});

test('a conversation is transferred, noted, closed and rated', async ({ browser, desk }) => {
  const mia = await AgentSeat.take(browser, desk.server.url, 'mia');
  await mia.ready();
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  await customer.write('my tin leaks');
  await mia.open('my tin leaks');
  await mia.write('let me ask a colleague');
  await mia.page.locator('.composer').getByText('Private note').click();
  await mia.write('second leaking tin this week');
  await expect(mia.page.locator('.note .bubble')).toContainText('second leaking tin');

  const leo = await AgentSeat.take(browser, desk.server.url, 'leo');
  await leo.ready();
  await mia.page.getByRole('button', { name: 'Transfer' }).click();
  await mia.page.locator('.colleagues button', { hasText: 'leo' }).click();
  await leo.open('let me ask a colleague');
  await expect(leo.page.locator('.note .bubble')).toContainText('second leaking tin');
  await expect(customer.page.getByText('You are now talking with leo')).toBeVisible();
  await expect(customer.page.getByText('second leaking tin')).toHaveCount(0);
  await expect(mia.rows).toHaveCount(0);

  await leo.write('a new one is on its way');
  await expect(customer.page.getByText('a new one is on its way')).toBeVisible();
  await leo.page.locator('[data-action=close]').click();
  await leo.page.locator('.ant-modal-confirm-btns .ant-btn-primary').click();
  await expect(customer.page.getByText('How did we do?')).toBeVisible();
  await customer.page.getByRole('radio', { name: '4 stars' }).click();
  await customer.page.getByPlaceholder('Anything to add? (optional)').fill('quick');
  await customer.page.getByRole('button', { name: 'Send rating' }).click();
  await expect(customer.page.getByText('Thank you for your rating!')).toBeVisible();

  await leo.tab(/Closed/);
  await leo.open('a new one is on its way');
  await expect(leo.page.locator('.log')).toContainText('★★★★☆');

  await leo.tab(/Mine/);
  await customer.page.getByRole('button', { name: 'Start a new conversation' }).click();
  await customer.write('one more thing');
  await expect
    .poll(
      async () =>
        (await mia.rows.count()) + (await leo.rows.filter({ hasText: 'one more' }).count()),
    )
    .toBeGreaterThan(0);
});

test('an agent who is full cannot be given more', async ({ browser, desk }) => {
  const mia = await AgentSeat.take(browser, desk.server.url, 'mia');
  await mia.ready();
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  await customer.write('hello');
  await mia.open('hello');
  const leo = await AgentSeat.take(browser, desk.server.url, 'leo');
  await mia.page.getByRole('button', { name: 'Transfer' }).click();
  await expect(mia.page.locator('.colleagues button', { hasText: 'leo' })).toBeDisabled();
  await leo.ready();
  await expect(mia.page.locator('.colleagues button', { hasText: 'leo' })).toBeEnabled();
});

test('two tabs of one visitor show the same conversation', async ({ browser, desk }) => {
  const agent = await AgentSeat.take(browser, desk.server.url, 'mia');
  await agent.ready();
  const left = await Customer.arrive(browser, desk.network.url);
  await left.openChat();
  await left.write('from the left');
  await agent.open('from the left');
  const right = new Customer(await left.page.context().newPage());
  await right.page.goto(`${desk.network.url}/demo`);
  await right.openChat();
  await right.write('from the right');
  await bothSee(left, agent, ['from the left', 'from the right']);
  await bothSee(right, agent, ['from the left', 'from the right']);
});
