/** A tour of what supervisors and administrators see, in both languages, widths and looks; for people to look at. */

import { join } from 'node:path';
import { expect } from '@playwright/test';
import type { BrowserContextOptions, Page } from '@playwright/test';
import { AgentSeat, Customer, PHONE, test } from './people.ts';

const FOLDER = join(import.meta.dirname, '../screenshots');

const TOURS: { name: string; options: BrowserContextOptions; phone: boolean }[] = [
  { name: 'en-desktop', options: { locale: 'en-US' }, phone: false },
  { name: 'zh-desktop-dark', options: { locale: 'zh-CN', colorScheme: 'dark' }, phone: false },
  { name: 'en-phone', options: { locale: 'en-US', ...PHONE }, phone: true },
  {
    name: 'zh-phone-dark',
    options: { locale: 'zh-CN', colorScheme: 'dark', ...PHONE },
    phone: true,
  },
];

for (const { name, options, phone } of TOURS) {
  test(`screens of overseeing: ${name}`, async ({ browser, desk }) => {
    const zh = name.startsWith('zh');
    let number = 0;
    const picture = async (page: Page, what: string): Promise<void> => {
      number += 1;
      const file = `overseeing-${name}-${String(number).padStart(2, '0')}-${what}.png`;
      await page.screenshot({ path: join(FOLDER, file), animations: 'disabled' });
    };
    const back = async (seat: AgentSeat): Promise<void> => {
      if (phone) await seat.page.getByRole('button', { name: /^(Back|返回)$/ }).click();
    };

    const mia = await AgentSeat.take(browser, desk.server.url, 'mia', options);
    const night = { hours: { zone: 'Asia/Shanghai', week: { monday: ['09:00-18:00'] } } };
    expect(await mia.call('PUT', 'teams/returns', { members: [{ agent: 'leo' }] })).toBe(200);
    expect(await mia.call('PUT', `teams/${zh ? '茶具' : 'tea-ware'}`, night)).toBe(200);
    for (const [shortcut, text] of zh
      ? ([
          ['你好', '您好{visitor}，我是{agent}，很高兴为您服务。'],
          ['退款', '退款已提交，一到三个工作日原路退回。'],
          ['发货', '当天下午三点前的订单当天发出。'],
        ] as const)
      : ([
          ['hello', 'Hello {visitor}, this is {agent}. How can I help?'],
          ['refund', 'Your refund is on its way; it takes one to three working days.'],
          ['shipping', 'Orders before three in the afternoon leave the same day.'],
        ] as const)) {
      const path = `replies/${encodeURIComponent(shortcut)}`;
      expect(await mia.call('PUT', path, { text })).toBe(200);
    }
    const leo = await AgentSeat.take(browser, desk.server.url, 'leo', options);
    await leo.ready();
    const question = zh ? '我的茶壶漏水' : 'my teapot leaks';
    const token = desk.server.visitorToken('customer-7', zh ? '王小明' : 'Grace Hopper', 'vip');
    const customer = await Customer.arrive(browser, desk.network.url, { ...options, token });
    await customer.openChat();
    await customer.write(question);
    await leo.open(question);
    await picture(leo.page, 'unanswered');
    await leo.page.locator('.composer textarea').fill('/');
    await expect(leo.page.getByRole('option')).toHaveCount(3);
    await picture(leo.page, 'canned');
    await leo.page.locator('.composer textarea').press('Enter');
    await leo.page.locator('.composer textarea').press('Enter');
    await expect.poll(() => customer.said()).toHaveLength(2);

    expect(await mia.call('PUT', 'teams/default', { accept_within_s: 300 })).toBe(200);
    const other = await Customer.arrive(browser, desk.network.url, options);
    await other.openChat();
    await other.write(zh ? '有人吗？' : 'anybody there?');
    await back(leo);
    await leo.open(zh ? '有人吗？' : 'anybody there?');
    await expect(leo.page.locator('.accept')).toBeVisible();
    await picture(leo.page, 'accept');
    await leo.page.locator('[data-action=transfer]').click();
    const dialog = leo.page.getByRole('dialog');
    await dialog.getByText(zh ? '团队' : 'Team', { exact: true }).click();
    await expect(dialog.locator('[data-team]')).toHaveCount(2);
    await picture(leo.page, 'transfer-team');
    await leo.leaveDialog();

    await mia.tab(/Others|同事/);
    await expect(mia.rows).toHaveCount(2);
    await picture(mia.page, 'others');
    await mia.open(zh ? '王小明' : 'Grace Hopper');
    await expect(mia.page.locator('.watching')).toBeVisible();
    await mia.write(zh ? '可以给他换一个新的。' : 'Offer her a new one.');
    await expect(mia.page.locator('.whisper')).toBeVisible();
    await picture(mia.page, 'reading-along');
    await mia.page.locator('[data-action=takeover]').click();
    await expect(mia.page.getByRole('dialog')).toBeVisible();
    await picture(mia.page, 'take-over');
    await mia.leaveDialog();
    await back(mia);

    expect(await mia.call('PUT', 'teams/default', { members: [{ agent: 'mia' }] })).toBe(200);
    const third = await Customer.arrive(browser, desk.network.url, options);
    await third.openChat();
    await third.write(zh ? '在线等' : 'I can wait');
    await mia.page.goto(`${desk.server.url}/console/#/board`);
    await expect(mia.page.locator('.board-class strong').filter({ hasText: '1' })).toHaveCount(1);
    await expect(mia.page.locator('.board-numbers')).toContainText(/\d (ms|毫秒)/);
    await picture(mia.page, 'board');
    await mia.page.locator('.ladder').scrollIntoViewIfNeeded();
    await picture(mia.page, 'board-below');
    await mia.page.goto(`${desk.server.url}/console/#/replies`);
    await expect(mia.page.locator('.reply-cards li')).toHaveCount(3);
    await picture(mia.page, 'replies');
    await mia.page
      .getByRole('button', { name: /^(Change|修改)/ })
      .first()
      .click();
    await expect(mia.page.getByRole('dialog')).toBeVisible();
    await picture(mia.page, 'reply-edit');
    await mia.leaveDialog();
    await mia.page.goto(`${desk.server.url}/console/#/team`);
    await mia.page
      .locator('.page-views')
      .getByText(/Teams|团队/)
      .click();
    await expect(mia.page.locator('[data-team]')).toHaveCount(3);
    await picture(mia.page, 'teams');
    await mia.page.locator('[data-team]').last().getByRole('button').first().click();
    await expect(mia.page.locator('.team-week')).toBeVisible();
    await picture(mia.page, 'team-edit');
    await mia.page.locator('.team-numbers').scrollIntoViewIfNeeded();
    await picture(mia.page, 'team-edit-below');
  });
}
