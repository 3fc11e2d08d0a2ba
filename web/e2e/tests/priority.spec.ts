/**
 * A day at a full desk: places in line, a VIP who comes later and goes first, and an agent who is gone of a sudden.
 *
 * Two agents with one seat each, a supervisor, two visitors who have the seats, and two who come then.
 */

import { join } from 'node:path';
import { expect } from '@playwright/test';
import type { Browser, Page } from '@playwright/test';
import { AgentSeat, bothSee, Customer, PASSWORDS, test } from './people.ts';
import type { Desk } from './people.ts';

const FOLDER = join(import.meta.dirname, '../screenshots');
/** What an agent's visitor may wait for another agent. */
const HANDOVER_MS_MAX = 10_000;

async function picture(page: Page, what: string): Promise<void> {
  await page.screenshot({ path: join(FOLDER, `priority-${what}.png`), animations: 'disabled' });
}

async function arrive(browser: Browser, desk: Desk, text: string, token?: string) {
  const customer = await Customer.arrive(browser, desk.network.url, { token });
  await customer.openChat();
  await customer.write(text);
  return customer;
}

/** The agent says goodbye to whom the row names. */
async function finish(agent: AgentSeat, text: string): Promise<void> {
  await agent.open(text);
  await agent.page.locator('[data-action=close]').click();
  await agent.page.locator('.ant-modal-confirm-btns .ant-btn-primary').click();
}

test('a VIP goes first, and what a lost agent had is with the other, with nothing lost', async ({
  browser,
  desk,
}) => {
  test.setTimeout(180_000);
  const seats = ['mia', 'leo'].map((agent) => ({ agent, capacity: 1 }));
  await desk.server.setTeam('mia', PASSWORDS.mia ?? '', { members: seats });
  desk.server.addAccount('安娜', 'supervisor', PASSWORDS.安娜 ?? '');

  const mia = await AgentSeat.take(browser, desk.server.url, 'mia');
  await mia.ready();
  await arrive(browser, desk, 'mine is the first seat');
  await expect(mia.rows).toHaveCount(1);
  const leo = await AgentSeat.take(browser, desk.server.url, 'leo');
  await leo.ready();
  await arrive(browser, desk, 'mine is the second seat');
  await expect(leo.rows).toHaveCount(1);

  const normal = await arrive(browser, desk, 'I was here before');
  await expect(normal.page.getByText(/^You are next in line/)).toBeVisible();
  const token = desk.server.visitorToken('customer-7', 'Grace Hopper', 'vip');
  const vip = await arrive(browser, desk, 'question 1', token);
  await expect(vip.page.getByText(/^You are next in line/)).toBeVisible();
  await expect(normal.page.getByText(/^You are number 2 in line/)).toBeVisible();
  await picture(vip.page, '1-vip-place');
  await picture(normal.page, '1-normal-place');
  const supervisor = await AgentSeat.take(browser, desk.server.url, '安娜');
  await supervisor.tab(/Waiting/);
  await expect(supervisor.rows).toHaveCount(2);
  await picture(supervisor.page, '1-supervisor');

  await finish(mia, 'mine is the first seat');
  await expect(vip.page.getByText('You are talking with mia')).toBeVisible();
  await expect(normal.page.getByText(/^You are next in line/)).toBeVisible();
  await expect(mia.rows.first().getByText('VIP')).toBeVisible();
  await mia.open('Grace Hopper');
  await picture(mia.page, '2-agent-with-vip');
  await finish(leo, 'mine is the second seat');
  await expect(normal.page.getByText('You are talking with leo')).toBeVisible();
  await picture(normal.page, '2-normal-served');

  await mia.write('answer 1');
  await bothSee(vip, mia, ['question 1', 'answer 1']);
  await finish(leo, 'I was here before');
  await expect(normal.page.getByText('How did we do?')).toBeVisible();
  await vip.write('question 2');
  await bothSee(vip, mia, ['question 1', 'answer 1', 'question 2']);

  await mia.page.context().close();
  await vip.write('question 3');
  await vip.write('question 4');
  await expect(vip.page.getByText('You are talking with leo')).toBeVisible({
    timeout: HANDOVER_MS_MAX,
  });
  await expect(vip.page.getByText(/^mia had to leave/)).toBeVisible();
  await leo.open('Grace Hopper');
  await leo.write('answer 2');
  const said = ['question 1', 'answer 1', 'question 2', 'question 3', 'question 4', 'answer 2'];
  await bothSee(vip, leo, said);
  await picture(vip.page, '3-vip-with-the-other');
  await picture(leo.page, '3-agent-has-taken-over');
  await vip.page.reload();
  await bothSee(vip, leo, said);
});
