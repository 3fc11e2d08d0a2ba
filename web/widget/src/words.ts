/** Every word the widget says, in each language it speaks. */

export type Language = 'zh' | 'en';

export interface Words {
  title: string;
  greeting: string;
  open: string;
  close: string;
  placeholder: string;
  placeholderNext: string;
  send: string;
  write: string;
  messages: string;
  you: string;
  desk: string;
  sending: string;
  /** The server refused it for now. */
  busy: string;
  sent: string;
  read: string;
  failed: string;
  retry: string;
  discard: string;
  connecting: string;
  offline: string;
  reconnecting: string;
  online: string;
  place: (place: number) => string;
  next: string;
  joined: (agent: string) => string;
  transferred: (agent: string) => string;
  left: string;
  with: (agent: string) => string;
  typing: (who: string) => string;
  ended: string;
  endedByYou: string;
  rateAsk: string;
  rateThanks: string;
  rateText: string;
  rateSend: string;
  star: (score: number) => string;
  again: string;
  human: string;
  end: string;
  endSure: string;
  cancel: string;
  menu: string;
  today: string;
  yesterday: string;
  tooLong: (over: number) => string;
  lettersLeft: (bytes: number) => string;
  unread: (count: number) => string;
  older: string;
  newer: string;
  order: string;
  file: string;
  reply: string;
}

const zh: Words = {
  title: '在线客服',
  greeting: '您好！有什么可以帮您？直接在下面留言，我们的客服会尽快回复您。',
  open: '打开在线客服',
  close: '收起',
  placeholder: '请输入您的问题…',
  placeholderNext: '继续输入将开始新的会话…',
  send: '发送',
  write: '输入消息',
  messages: '聊天记录',
  you: '我',
  desk: '客服',
  sending: '发送中',
  busy: '咨询人数较多，稍后自动重发',
  sent: '已送达',
  read: '已读',
  failed: '未发送成功',
  retry: '重试',
  discard: '删除',
  connecting: '正在连接…',
  offline: '网络已断开，恢复后会自动发送',
  reconnecting: '连接中断，正在重新连接…',
  online: '很高兴为您服务',
  place: (place) => `您前面还有 ${String(place - 1)} 位，当前排在第 ${String(place)} 位`,
  next: '您排在第 1 位，马上为您接入',
  joined: (agent) => `${agent} 为您服务`,
  transferred: (agent) => `会话已转给 ${agent}`,
  left: '正在为您联系另一位客服…',
  with: (agent) => `${agent} 正在为您服务`,
  typing: (who) => `${who} 正在输入`,
  ended: '会话已结束',
  endedByYou: '您已结束会话',
  rateAsk: '请为本次服务评分',
  rateThanks: '感谢您的评价！',
  rateText: '还想说点什么？（选填）',
  rateSend: '提交评价',
  star: (score) => `${String(score)} 星`,
  again: '开始新的会话',
  human: '转人工客服',
  end: '结束会话',
  endSure: '确定结束本次会话吗？',
  cancel: '取消',
  menu: '更多操作',
  today: '今天',
  yesterday: '昨天',
  tooLong: (over) => `内容过长，请删减约 ${String(Math.ceil(over / 3))} 个汉字`,
  lettersLeft: (bytes) => `还可输入约 ${String(Math.floor(bytes / 3))} 个汉字`,
  unread: (count) => `${String(count)} 条未读消息`,
  older: '以前的会话',
  newer: '新会话',
  order: '订单',
  file: '文件',
  reply: '新消息',
};

const en: Words = {
  title: 'Chat with us',
  greeting: 'Hello! How can we help? Write below and one of us will answer as soon as possible.',
  open: 'Open chat',
  close: 'Minimize chat',
  placeholder: 'Write a message…',
  placeholderNext: 'Write to start a new conversation…',
  send: 'Send',
  write: 'Your message',
  messages: 'Messages',
  you: 'You',
  desk: 'Support',
  sending: 'Sending',
  busy: 'Very busy; sent again by itself',
  sent: 'Sent',
  read: 'Read',
  failed: 'Not sent',
  retry: 'Try again',
  discard: 'Delete',
  connecting: 'Connecting…',
  offline: 'You are offline. Your messages go out when you are back.',
  reconnecting: 'Connection lost. Reconnecting…',
  online: 'We are glad to help',
  place: (place) => `You are number ${String(place)} in line`,
  next: 'You are next in line',
  joined: (agent) => `${agent} is here to help`,
  transferred: (agent) => `You are now talking with ${agent}`,
  left: 'Looking for another colleague…',
  with: (agent) => `You are talking with ${agent}`,
  typing: (who) => `${who} is typing`,
  ended: 'This conversation has ended',
  endedByYou: 'You ended this conversation',
  rateAsk: 'How did we do?',
  rateThanks: 'Thank you for your rating!',
  rateText: 'Anything to add? (optional)',
  rateSend: 'Send rating',
  star: (score) => (score === 1 ? '1 star' : `${String(score)} stars`),
  again: 'Start a new conversation',
  human: 'Talk to a person',
  end: 'End conversation',
  endSure: 'End this conversation?',
  cancel: 'Cancel',
  menu: 'More',
  today: 'Today',
  yesterday: 'Yesterday',
  tooLong: (over) => `Too long by ${String(over)} characters`,
  lettersLeft: (bytes) => `${String(bytes)} characters left`,
  unread: (count) => (count === 1 ? '1 unread message' : `${String(count)} unread messages`),
  older: 'Earlier conversation',
  newer: 'New conversation',
  order: 'Order',
  file: 'File',
  reply: 'New message',
};

export const WORDS: Record<Language, Words> = { zh, en };

/** The language asked for, or the browser's: Chinese where it says so, else English. */
export function chooseLanguage(asked: string | undefined, browser: readonly string[]): Language {
  const wanted = asked === undefined || asked === '' || asked === 'auto' ? browser : [asked];
  for (const tag of wanted) {
    const primary = tag.toLowerCase().split('-')[0];
    if (primary === 'zh' || primary === 'en') return primary;
  }
  return 'en';
}
