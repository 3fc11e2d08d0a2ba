/** What supervisors do: look at the board, read along, whisper, take over, write canned replies. */

import { expect } from '@playwright/test';
import { AgentSeat, Customer, test } from './people.ts';

test('the board shows who waits, who is busy and how fast it is', async ({ browser, desk }) => {
  const mia = await AgentSeat.take(browser, desk.server.url, 'mia');
  await mia.page.getByRole('link', { name: 'Live board' }).click();
  const tile = mia.page.locator('.board-tile[data-team=default]');
  await expect(tile.locator('[data-class=normal] strong')).toHaveText('0');

  const normal = await Customer.arrive(browser, desk.network.url);
  await normal.openChat();
  await normal.write('hello');
  const token = desk.server.visitorToken('customer-7', '王小明', 'vip');
  const vip = await Customer.arrive(browser, desk.network.url, { token });
  await vip.openChat();
  await vip.write('hello');
  await expect(tile.locator('[data-class=normal] strong')).toHaveText('1');
  await expect(tile.locator('[data-class=vip] strong')).toHaveText('1');
  await expect(tile.locator('[data-class=vip]')).toContainText('longest');
  await expect(mia.page.locator('.ladder [aria-current=step]')).toContainText('Nothing');
  await expect(mia.page.getByRole('img', { name: /p99.*VIP: now .* ms, highest/ })).toBeVisible();

  const leo = await AgentSeat.take(browser, desk.server.url, 'leo');
  await leo.ready();
  const row = mia.page.locator('tr[data-agent=leo]');
  await expect(row).toContainText('2 of 8');
  await expect(row).toContainText('Ready');
  await expect(tile.locator('[data-class=vip] strong')).toHaveText('0');
  await row.getByRole('button').click();
  await expect(mia.page.getByText('Only leo')).toBeVisible();
  await expect(mia.rows).toHaveCount(2);

  await expect(leo.page.getByRole('link', { name: 'Live board' })).toHaveCount(0);
  expect(await leo.call('GET', 'board')).toBe(403);
});

test('a supervisor reads along unseen, whispers and takes over', async ({ browser, desk }) => {
  const leo = await AgentSeat.take(browser, desk.server.url, 'leo');
  await leo.ready();
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  await customer.write('my tin leaks');
  await leo.open('my tin leaks');
  await leo.write('so sorry');

  const mia = await AgentSeat.take(browser, desk.server.url, 'mia');
  await mia.tab(/Others/);
  await mia.open('so sorry');
  await expect(mia.page.getByText('Reading along, unseen')).toBeVisible();
  await expect(mia.page.locator('.why')).toContainText('leo was the only one free');
  await expect(leo.page.locator('.why')).toHaveCount(0);
  await customer.write('it is the second one');
  await expect.poll(() => mia.said()).toEqual(['my tin leaks', 'so sorry', 'it is the second one']);
  await mia.write('Offer a new one.');
  await expect(leo.page.locator('.whisper .bubble')).toContainText('Offer a new one.');
  await leo.page.reload();
  await expect(leo.rows).toHaveCount(1);

  await mia.page.locator('.composer textarea').fill('or her money back');
  await mia.page.locator('[data-action=takeover]').click();
  await mia.page.locator('.ant-modal-confirm-btns .ant-btn-primary').click();
  await expect(customer.page.getByText('You are now talking with mia')).toBeVisible();
  // What was meant for leo does not stand where it would go to the visitor.
  await expect(mia.page.getByRole('combobox', { name: 'Reply' })).toHaveValue('');
  await expect(mia.page.locator('.log')).toContainText('mia took over from leo');
  await expect(mia.page.getByText('Reading along, unseen')).toHaveCount(0);
  await expect(leo.rows).toHaveCount(0);
  await mia.write('a new one is on its way');
  await expect
    .poll(() => customer.said())
    .toEqual(['my tin leaks', 'so sorry', 'it is the second one', 'a new one is on its way']);
});

test('who has read along is told nothing more', async ({ browser, desk }) => {
  const leo = await AgentSeat.take(browser, desk.server.url, 'leo');
  await leo.ready();
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  await customer.write('one');
  await leo.open('one');
  const mia = await AgentSeat.take(browser, desk.server.url, 'mia');
  let heard = 0;
  mia.page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => {
      if (payload.toString().includes('"kind":"message"')) heard += 1;
    });
  });
  await mia.page.reload();
  await mia.tab(/Others/);
  await mia.open('one');
  await customer.write('two');
  await expect.poll(() => mia.said()).toEqual(['one', 'two']);
  await mia.tab(/Closed/);
  await mia.page.getByRole('link', { name: 'Search history' }).click();
  await expect(mia.page.locator('.talk .log')).toHaveCount(0);
  const before = heard;
  await customer.write('three');
  await expect.poll(() => leo.said()).toEqual(['one', 'two', 'three']);
  expect(heard).toBe(before);
});

test('a canned reply is written once and said by everybody with a slash', async ({
  browser,
  desk,
}) => {
  const mia = await AgentSeat.take(browser, desk.server.url, 'mia');
  await mia.page.getByRole('link', { name: 'Canned replies' }).click();
  for (const [shortcut, text] of [
    ['hello', 'Hello {visitor}, this is {agent}.'],
    ['refund', 'Your refund is on its way.'],
  ] as const) {
    await mia.page.getByRole('button', { name: 'Add a reply' }).click();
    await mia.page.getByRole('textbox', { name: 'Shortcut' }).fill(shortcut);
    await mia.page.getByLabel('Text', { exact: true }).fill(text);
    await mia.page.getByRole('button', { name: 'Save' }).click();
    await expect(mia.page.locator('.reply-cards')).toContainText(text);
  }

  const leo = await AgentSeat.take(browser, desk.server.url, 'leo');
  await leo.ready();
  const token = desk.server.visitorToken('customer-7', '王小明', 'vip');
  const customer = await Customer.arrive(browser, desk.network.url, { token });
  await customer.openChat();
  await customer.write('where is my money?');
  await leo.open('where is my money?');
  const input = leo.page.locator('.composer textarea');
  await input.fill('/');
  const options = leo.page.getByRole('option');
  await expect(options).toHaveCount(2);
  await input.press('Escape');
  await expect(options).toHaveCount(0);
  await expect(input).toHaveValue('/');
  await input.fill('');
  await input.pressSequentially('/');
  await input.press('ArrowDown');
  await expect(leo.page.getByRole('option', { selected: true })).toContainText('/refund');
  await input.pressSequentially('he');
  await expect(options).toHaveCount(1);
  await input.press('Enter');
  await expect(input).toHaveValue('Hello 王小明, this is leo.');
  await input.press('Enter');
  await expect
    .poll(() => customer.said())
    .toEqual(['where is my money?', 'Hello 王小明, this is leo.']);
});

test('an agent accepts or gives back where the team asks for a word', async ({ browser, desk }) => {
  const mia = await AgentSeat.take(browser, desk.server.url, 'mia');
  expect(await mia.call('PUT', 'teams/default', { accept_within_s: 300 })).toBe(200);
  const leo = await AgentSeat.take(browser, desk.server.url, 'leo');
  await leo.ready();
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  await customer.write('anybody?');
  await leo.open('anybody?');
  await expect(leo.page.locator('.accept')).toContainText('Will you take this conversation?');
  await expect(leo.rows.first()).toContainText('accept?');
  await mia.ready();
  await leo.page.locator('.accept [data-action=decline]').click();
  await mia.open('anybody?');
  await expect(leo.rows).toHaveCount(0);
  await expect(mia.page.locator('.log')).toContainText('leo gave it back');
  await mia.page.locator('[data-action=accept]').click();
  await expect(mia.page.locator('.accept')).toHaveCount(0);
  await expect(mia.page.locator('.talk-head [data-action=decline]')).toBeVisible();
  await mia.write('me');
  await expect(mia.page.locator('.talk-head [data-action=decline]')).toHaveCount(0);
});

test('a conversation goes to a team with a note, and a message left is taken up', async ({
  browser,
  desk,
}) => {
  const mia = await AgentSeat.take(browser, desk.server.url, 'mia');
  expect(await mia.call('PUT', 'teams/returns', { members: [{ agent: 'leo' }] })).toBe(200);
  await mia.ready();
  const customer = await Customer.arrive(browser, desk.network.url);
  await customer.openChat();
  await customer.write('my tin leaks');
  await mia.open('my tin leaks');
  await mia.page.locator('[data-action=transfer]').click();
  const dialog = mia.page.getByRole('dialog');
  await dialog.getByText('Team', { exact: true }).click();
  await dialog.getByRole('textbox').fill('second one this week');
  await dialog.locator('[data-team=returns]').click();
  const leo = await AgentSeat.take(browser, desk.server.url, 'leo');
  await leo.ready();
  await leo.open('my tin leaks');
  await expect(leo.page.locator('.note .bubble')).toContainText('second one this week');
  await expect(leo.page.locator('.log')).toContainText('mia gave it to the team returns');

  const closed = { hours: { zone: 'UTC', week: {} } };
  expect(await mia.call('PUT', 'teams/default', closed)).toBe(200);
  const late = await Customer.arrive(browser, desk.network.url);
  await late.openChat();
  await late.write('are you still there?');
  await leo.tab(/Left/);
  await leo.open('are you still there?');
  await expect(leo.page.locator('.read-only')).toContainText('The visitor left a message');
  await leo.page.locator('[data-action=takeover]').click();
  await leo.write('we are now');
  await expect(late.page.getByText('we are now')).toBeVisible();
});

test('an administrator makes a team with members, hours and a holiday', async ({
  browser,
  desk,
}) => {
  const mia = await AgentSeat.take(browser, desk.server.url, 'mia');
  await mia.page.goto(`${desk.server.url}/console/#/team`);
  await mia.page.locator('.page-views').getByText('Teams').click();
  await mia.page.getByRole('button', { name: 'Add a team' }).click();
  const form = mia.page.getByRole('dialog');
  await form.getByLabel('Name').fill('tea');
  await form.getByText('Only these').click();
  await form.getByRole('button', { name: 'Add a member' }).click();
  await form.getByRole('combobox', { name: 'Name' }).click();
  await mia.page.locator('.ant-select-item-option', { hasText: 'leo' }).click();
  await form.getByText('By the week').click();
  await form.getByLabel('Monday').fill('09:00 - 12:00、 13:00-18:00');
  await form.getByRole('button', { name: 'Add a special day' }).click();
  await form.getByLabel('Date, such as 2026-10-01').fill('2026-10-01');
  await form.getByLabel('Tuesday').fill('nine to five');
  await form.getByRole('button', { name: 'Save' }).click();
  await expect(form.getByRole('alert')).toContainText('is no period');
  await form.getByLabel('Tuesday').fill('');
  await form.getByRole('button', { name: 'Save' }).click();
  const card = mia.page.locator('[data-team=tea]');
  await expect(card).toContainText('leo');
  await expect(card).toContainText('By the week · Asia/Shanghai');
  await card.getByRole('button', { name: 'Change the team tea' }).click();
  await expect(form.getByLabel('Monday')).toHaveValue('09:00-12:00, 13:00-18:00');
  await expect(form.getByLabel('Tuesday')).toHaveValue('');
  await expect(form.getByLabel('Date, such as 2026-10-01')).toHaveValue('2026-10-01');
  await mia.leaveDialog();
  await card.getByRole('button', { name: 'Remove the team tea' }).click();
  await mia.page.locator('.ant-modal-confirm-btns .ant-btn-dangerous').click();
  await expect(card).toHaveCount(0);
});
