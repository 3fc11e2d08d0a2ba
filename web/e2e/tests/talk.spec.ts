/** A visitor and an agent talk, while the network or the server fails them. */

import { expect } from '@playwright/test';
import { AgentSeat, bothSee, bothSeeAll, Customer, test } from './people.ts';

const CUT_MS = 5_000;

test('ten messages each way arrive once and in order on both sides', async ({ browser, desk }) => {
  const agent = await AgentSeat.take(browser, desk.server.url, 'mia');
  await agent.ready();
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  const said: string[] = [];
  for (let at = 1; at <= 10; at += 1) {
    said.push(`question ${String(at)}`, `answer ${String(at)}`);
    await customer.write(`question ${String(at)}`);
    if (at === 1) await agent.open('question 1');
    await expect(
      agent.page.getByText(`question ${String(at)}`, { exact: true }).last(),
    ).toBeVisible();
    await agent.write(`answer ${String(at)}`);
    await expect(customer.page.getByText(`answer ${String(at)}`, { exact: true })).toBeVisible();
  }
  await bothSee(customer, agent, said);
  await customer.page.reload();
  await bothSee(customer, agent, said);
  await agent.page.reload();
  await agent.open('answer 10');
  await bothSee(customer, agent, said);
});

for (const failure of ['cut', 'silence'] as const) {
  test(`both write while the visitor's network has a ${failure}, and nothing is lost`, async ({
    browser,
    desk,
  }) => {
    const agent = await AgentSeat.take(browser, desk.server.url, 'mia');
    await agent.ready();
    const customer = await Customer.arrive(browser, desk.network.url);
    await customer.openChat();
    await customer.write('before');
    await agent.open('before');
    await bothSee(customer, agent, ['before']);

    desk.network[failure]();
    const asked = ['lost one', 'lost two', 'lost three'];
    const answered = ['unheard one', 'unheard two', 'unheard three'];
    const until = Date.now() + CUT_MS;
    for (const text of asked) await customer.write(text);
    for (const text of answered) await agent.write(text);
    if (failure === 'cut') await expect(customer.page.getByText(/Reconnecting/)).toBeVisible();
    await expect(customer.page.getByText(/Sending|Waiting for the network/).first()).toBeVisible();
    await customer.page.waitForTimeout(Math.max(0, until - Date.now()));
    desk.network.heal();

    await bothSeeAll(customer, agent, [['before'], asked, answered]);
    await expect(customer.page.getByText(/Reconnecting/)).toBeHidden();
    await customer.write('after');
    await agent.write('after too');
    await expect
      .poll(async () => (await customer.said()).slice(-2).sort())
      .toEqual(['after', 'after too']);
  });
}

test('the server is killed in mid-conversation, and both go on with nothing lost', async ({
  browser,
  desk,
}) => {
  const agent = await AgentSeat.take(browser, desk.server.url, 'mia');
  await agent.ready();
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  await customer.write('q1');
  await agent.open('q1');
  await agent.write('a1');
  await bothSee(customer, agent, ['q1', 'a1']);

  const asked = ['q1', 'q2', 'q3', 'q4'];
  const answered = ['a1', 'a2', 'a3', 'a4'];
  await customer.write('q2');
  await agent.write('a2');
  await desk.server.kill();
  await customer.write('q3');
  await agent.write('a3');
  await desk.server.start();
  await customer.write('q4');
  await agent.write('a4');
  await bothSeeAll(customer, agent, [asked, answered]);
});
