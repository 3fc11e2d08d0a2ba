/**
 * The demo shop: its teas, its two languages, `?token=` to visit as somebody the shop knows, and `?team=` and
 * `?preview=on`, which a real shop writes into the tag.
 *
 * A real shop needs none of this for the chat: the script tag in the page is all.
 */

const TEAS = [
  {
    tin: '#2f6f57',
    ground: '#e3efe4',
    price: 168,
    en: ['West Lake Longjing', 'Chestnut and fresh grass, pan-fired flat leaves.', '100 g'],
    zh: ['西湖龙井', '板栗香，豆花香，扁平光滑，明前头采。', '100 克'],
  },
  {
    tin: '#b5562b',
    ground: '#f7e6da',
    price: 128,
    en: ['Wuyi Rock Oolong', 'Roasted over charcoal, mineral and long.', '120 g'],
    zh: ['武夷岩茶', '炭火慢焙，岩骨花香，回甘悠长。', '120 克'],
  },
  {
    tin: '#7a3b46',
    ground: '#f3e1e2',
    price: 98,
    en: ['Keemun Black', 'Honey, rose and a little cocoa.', '150 g'],
    zh: ['祁门红茶', '蜜糖香带玫瑰香，汤色红亮。', '150 克'],
  },
  {
    tin: '#8d7a3a',
    ground: '#f2eeda',
    price: 218,
    en: ['Silver Needle White', 'Only buds, dried in the sun. Melon and hay.', '50 g'],
    zh: ['白毫银针', '只取单芽，日光萎凋，毫香清甜。', '50 克'],
  },
];

const ZH = {
  skip: '跳到茶品',
  brand: '山间茶铺',
  navTeas: '茶品',
  navStory: '我们的茶山',
  navCare: '配送与售后',
  language: 'English',
  eyebrow: '2026 春茶上市',
  headline: '雨前头采，一芽一叶',
  lead: '一座山，四十户茶农。当日采、当日制，一周之内送到您的茶桌。',
  shop: '选购春茶',
  ask: '咨询茶师',
  teas: '本周茶品',
  storyTitle: '来自我们的茶山',
  story:
    '茶园在海拔九百米的山上，云雾让茶芽格外鲜嫩。我们与每一户茶农直接签约，采摘之前先付款，每一罐茶上都印着采茶人的名字。',
  care1: '满 199 元包邮',
  care1Text: '下午三点前下单，当天发货。',
  care2: '三十天试喝',
  care2Text: '不合口味？剩下的寄回来，运费我们出。',
  care3: '懂茶的人在线',
  care3Text: '冲泡方法、订单问题，点右下角随时问我们。',
  footer: '山间茶铺是 ringdesk 的演示商店，商品仅供展示。',
};

const query = new URLSearchParams(location.search);
const asked = query.get('lang') ?? navigator.language;
const language = asked.toLowerCase().startsWith('zh') ? 'zh' : 'en';

// Deferred scripts run in the order of their tags, so the widget reads these when its turn comes.
const tag = document.querySelector('script[src="/widget.js"]');
const token = query.get('token') ?? sessionStorage.getItem('demo-token');
if (token !== null) {
  tag.dataset.token = token;
  // Out of the address, so that it shows up neither in the history nor in what the desk sees of this page.
  sessionStorage.setItem('demo-token', token);
  query.delete('token');
  history.replaceState(null, '', `${location.pathname}${query.size > 0 ? `?${query}` : ''}`);
}
tag.dataset.lang = language;
for (const name of ['team', 'preview']) {
  const value = query.get(name);
  if (value !== null) tag.dataset[name] = value;
}

if (language === 'zh') {
  document.documentElement.lang = 'zh-CN';
  document.title = ZH.brand;
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = ZH[node.dataset.t];
}

document.querySelector('.language').addEventListener('click', () => {
  query.set('lang', language === 'zh' ? 'en' : 'zh');
  location.search = query.toString();
});

document.querySelector('[data-open-chat]').addEventListener('click', () => {
  window.ringdesk?.open();
});

document.querySelector('#products').append(...TEAS.map(product));

function product(tea) {
  const [name, words, weight] = tea[language];
  const item = document.createElement('li');
  item.className = 'tea';
  item.innerHTML = `
    <svg viewBox="0 0 240 168" aria-hidden="true">
      <rect width="240" height="168" fill="${tea.ground}"/>
      <ellipse cx="120" cy="146" rx="62" ry="8" fill="#0001"/>
      <rect x="78" y="44" width="84" height="102" rx="8" fill="${tea.tin}"/>
      <rect x="72" y="30" width="96" height="22" rx="7" fill="${tea.tin}"/>
      <rect x="72" y="46" width="96" height="6" fill="#0002"/>
      <rect x="92" y="70" width="56" height="58" rx="4" fill="#fffaf0"/>
      <path d="M134 80c-18 0-28 9-28 22 0 4 1 7 3 9 1-10 7-18 17-23-7 6-12 14-13 23 14 3 21-10 21-31z" fill="${tea.tin}"/>
    </svg>
    <h3></h3><p></p><footer><strong>¥${tea.price}</strong><small></small></footer>`;
  item.querySelector('h3').textContent = name;
  item.querySelector('p').textContent = words;
  item.querySelector('small').textContent = weight;
  return item;
}
