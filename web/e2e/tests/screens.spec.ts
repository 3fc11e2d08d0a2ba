/** A tour of every screen in both languages and widths; the pictures are for people to look at. */

import { join } from 'node:path';
import { expect } from '@playwright/test';
import type { BrowserContextOptions, Page } from '@playwright/test';
import { AgentSeat, Customer, PHONE, test } from './people.ts';

const FOLDER = join(import.meta.dirname, '../screenshots');

const TOURS: { name: string; options: BrowserContextOptions; phone: boolean }[] = [
  { name: 'en-desktop', options: { locale: 'en-US' }, phone: false },
  { name: 'zh-desktop', options: { locale: 'zh-CN' }, phone: false },
  { name: 'zh-desktop-dark', options: { locale: 'zh-CN', colorScheme: 'dark' }, phone: false },
  { name: 'en-phone', options: { locale: 'en-US', ...PHONE }, phone: true },
  { name: 'zh-phone', options: { locale: 'zh-CN', ...PHONE }, phone: true },
];

for (const { name, options, phone } of TOURS) {
  test(`screens: ${name}`, async ({ browser, desk }) => {
    const zh = name.startsWith('zh');
    let number = 0;
    const picture = async (page: Page, what: string): Promise<void> => {
      number += 1;
      const file = `${name}-${String(number).padStart(2, '0')}-${what}.png`;
      await page.screenshot({ path: join(FOLDER, file), animations: 'disabled' });
    };

    const entrance = await (await browser.newContext(options)).newPage();
    await entrance.goto(`${desk.server.url}/console/`);
    await expect(entrance.locator('button[type=submit]')).toBeVisible();
    await picture(entrance, 'login');

    const token = desk.server.visitorToken('customer-7', zh ? '王小明' : 'Grace Hopper', 'vip');
    const customer = await Customer.arrive(browser, desk.network.url, { ...options, token });
    await expect(customer.page.locator('.tea')).toHaveCount(4);
    await picture(customer.page, 'shop');
    await customer.openChat();
    await picture(customer.page, 'widget-greeting');
    const question = zh ? '你好，我的订单什么时候发货？' : 'Hello, when does my order leave?';
    await customer.write(question);
    await expect(customer.page.getByText(/next in line|第 1 位/)).toBeVisible();
    await picture(customer.page, 'widget-queue');

    const agent = await AgentSeat.take(browser, desk.server.url, 'mia', options);
    await picture(agent.page, 'console-away');
    await agent.ready();
    await expect(agent.rows).toHaveCount(1);
    await picture(agent.page, 'console-list');
    await agent.open(question);
    await agent.write(
      zh ? '今天下午三点前发出，后天送到。' : 'Today before three, it arrives in two days.',
    );
    await expect(customer.page.getByText(/arrives in two days|后天送到/)).toBeVisible();
    await customer.write(zh ? '太好了，谢谢！' : 'Great, thank you!');
    await expect(agent.page.getByText(/太好了|Great, thank/).last()).toBeVisible();
    await picture(customer.page, 'widget-talk');
    await picture(agent.page, 'console-talk');

    await agent.page.locator('[data-action=transfer]').click();
    await expect(agent.page.getByRole('dialog')).toBeVisible();
    await picture(agent.page, 'console-transfer');
    await agent.leaveDialog();
    await agent.page.locator('[data-action=close]').click();
    await agent.page.locator('.ant-modal-confirm-btns .ant-btn-primary').click();
    const star = customer.page.getByRole('radio', { name: /^(5 stars|5 星)$/ });
    await star.click();
    await picture(customer.page, 'widget-rating');
    await picture(agent.page, 'console-closed');

    if (phone) await agent.page.getByRole('button', { name: /Back|返回/ }).click();
    await agent.page.getByRole('button', { name: /Settings|设置/ }).click();
    await expect(agent.page.locator('.own-menu')).toBeVisible();
    await picture(agent.page, 'console-settings');
    await agent.page.getByRole('button', { name: /Settings|设置/ }).click();
    await expect(agent.page.locator('.own-menu')).toBeHidden();
    await agent.page.goto(`${desk.server.url}/console/#/history`);
    const box = agent.page.getByRole('textbox', { name: /^(Search what was said|搜索聊天内容)$/ });
    await expect(box).toBeFocused();
    await picture(agent.page, 'history');
    await box.fill(zh ? '发票' : 'invoice');
    await expect(agent.page.getByText(/Nothing found|没有找到/)).toBeVisible();
    await picture(agent.page, 'history-nothing');
    await box.fill(zh ? '发' : 'th');
    await expect(agent.page.locator('.find')).toHaveCount(2);
    await picture(agent.page, 'history-found');
    await agent.page.locator('.find').last().click();
    await expect(agent.page.locator('.hit')).toBeVisible();
    await picture(agent.page, 'history-transcript');
    if (phone) await agent.page.getByRole('button', { name: /Back|返回/ }).click();
    await agent.page.locator('.filters input').first().click();
    await expect(agent.page.locator('.days-popup')).toBeVisible();
    await picture(agent.page, 'history-days');
    await agent.page.goto(`${desk.server.url}/console/#/team`);
    await expect(agent.page.getByRole('cell', { name: /leo/ })).toBeVisible();
    await picture(agent.page, 'team');
    await agent.page.goto(`${desk.server.url}/console/#/integration`);
    await expect(agent.page.locator('.code').first()).toBeVisible();
    await picture(agent.page, 'integration');
  });
}
