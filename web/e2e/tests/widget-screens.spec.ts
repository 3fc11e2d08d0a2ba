/** A tour of what the widget says to those who wait, come too late or too many; the pictures are for people to look at. */

import { join } from 'node:path';
import { expect } from '@playwright/test';
import type { BrowserContextOptions, Page } from '@playwright/test';
import { AgentSeat, Customer, PASSWORDS, PHONE, test } from './people.ts';

const FOLDER = join(import.meta.dirname, '../screenshots');
const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

const TOURS: { name: string; options: BrowserContextOptions }[] = [
  { name: 'widget-en-desktop', options: { locale: 'en-US' } },
  { name: 'widget-zh-desktop-dark', options: { locale: 'zh-CN', colorScheme: 'dark' } },
  { name: 'widget-zh-phone', options: { locale: 'zh-CN', ...PHONE } },
];

/** Stands in the road to the server, refuses the first message as a busy server does, and tells an estimate. */
async function crowd(page: Page): Promise<{ clear: () => void }> {
  let isBusy = true;
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((text) => {
      const message = JSON.parse(String(text)) as { type: string; id?: string };
      if (message.type !== 'message' || !isBusy) {
        server.send(text);
        return;
      }
      const wait = { place: 12, estimate_s: 400, low_s: 290, high_s: 620 };
      const refused = { code: 'overloaded', text: 'busy', retry_after_ms: 500, ...wait };
      socket.send(JSON.stringify({ type: 'refused', id: message.id, ...refused }));
    });
    server.onMessage((text) => {
      const event = JSON.parse(String(text)) as { kind?: string; content?: object };
      if (event.kind === 'queue') {
        Object.assign(event.content ?? {}, { estimate_s: 180, low_s: 130, high_s: 290 });
      }
      socket.send(JSON.stringify(event));
    });
  });
  return {
    clear: () => {
      isBusy = false;
    },
  };
}

for (const { name, options } of TOURS) {
  test(`screens: ${name}`, async ({ browser, desk }) => {
    const zh = name.includes('zh');
    let number = 0;
    const picture = async (page: Page, what: string): Promise<void> => {
      number += 1;
      const file = `${name}-${String(number).padStart(2, '0')}-${what}.png`;
      await page.screenshot({ path: join(FOLDER, file), animations: 'disabled' });
    };
    const say = (en: string, cn: string): string => (zh ? cn : en);
    const admin = [PASSWORDS.mia ?? '', 'mia'] as const;

    const tomorrow = DAYS[(new Date().getUTCDay() + 1) % 7] ?? '';
    const hours = { zone: 'UTC', week: { [tomorrow]: ['01:00-10:00'] } };
    await desk.server.setTeam(admin[1], admin[0], { hours });
    const late = await Customer.arrive(browser, desk.network.url, options);
    await late.openChat();
    await late.write(say('My tin of Longjing leaks.', '我的龙井茶罐漏了。'));
    const contact = late.page.getByRole('textbox', { name: /Phone or e-mail|电话或邮箱/ });
    await expect(contact).toBeVisible();
    await picture(late.page, 'nobody');
    await contact.press('Enter');
    await expect(late.page.locator('ringdesk-widget .doubt')).toBeVisible();
    await picture(late.page, 'nobody-doubt');
    await late.page.getByRole('textbox', { name: /Your name|您的称呼/ }).fill('王芳');
    await contact.fill('138 0013 8000');
    desk.network.cut();
    await contact.press('Enter');
    await expect(late.page.getByText(/as soon as you are|恢复后会自动提交/)).toBeVisible();
    await picture(late.page, 'nobody-waiting');
    desk.network.heal();
    await expect(late.page.getByText(/we have your message|留言已收到/)).toBeVisible();
    await picture(late.page, 'nobody-left');
    await desk.server.setTeam(admin[1], admin[0], {});

    const page = await (await browser.newContext(options)).newPage();
    const { clear } = await crowd(page);
    await page.goto(`${desk.network.url}/demo`);
    const many = new Customer(page);
    await many.openChat();
    await many.write(say('Which tea for a cold day?', '天冷喝什么茶好？'));
    await expect(page.getByText(/11 people are before you|有 11 位/)).toBeVisible();
    await picture(page, 'crowd');
    clear();
    await expect(page.getByText(/about 2–5 minutes|大约 2–5 分钟/)).toBeVisible();
    await picture(page, 'queue-estimate');

    const mia = await AgentSeat.take(browser, desk.server.url, 'mia', { locale: 'en-US' });
    await mia.ready();
    await mia.open(say('Which tea', '天冷喝什么茶好？'));
    await expect(page.locator('ringdesk-widget .meta', { hasText: /Read|已读/ })).toBeVisible();
    await mia.write(say('A roasted oolong.', '焙火岩茶。'));
    await mia.page.locator('[data-action=close]').click();
    await mia.page.locator('.ant-modal-confirm-btns .ant-btn-primary').click();
    const stars = page.getByRole('radio');
    await expect(stars).toHaveCount(5);
    await stars.first().focus();
    for (let at = 1; at < 4; at += 1) await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Tab');
    await page.keyboard.type(say('Warm words', '很贴心'));
    await picture(page, 'rating');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await expect(page.getByText(/Thank you for your rating|感谢您的评价/)).toBeVisible();
    await picture(page, 'rated');
  });
}
