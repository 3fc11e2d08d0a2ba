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
  unconnected: string;
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
  /** Minutes; a low of 0 is "at most". */
  span: (low: number, high: number) => string;
  place: (place: number, team: string | undefined, span: string) => string;
  next: (team: string | undefined, span: string) => string;
  /** A new conversation is not taken for now; how many are before it is 0 where that is not known. */
  crowd: (before: number, span: string) => string;
  today: string;
  yesterday: string;
  /** The day is `today`, `tomorrow`, or as it is called in this language. */
  at: (time: string, day: string) => string;
  nobody: string;
  nobodyUntil: (when: string) => string;
  nobodyNow: string;
  nobodyFree: string;
  /** The same, of a time that is over. */
  nobodyThen: string;
  nobodyFreeThen: string;
  leaveAsk: string;
  leaveText: string;
  leaveName: string;
  leaveContact: string;
  leaveSend: string;
  leaveNoContact: string;
  leaveOddContact: string;
  leaveSending: string;
  leaveWaiting: string;
  leaveBusy: string;
  leaveFailed: string;
  leaveDone: string;
  leaveDoneUntil: (when: string) => string;
  leaveMore: string;
  /** The names of the lines in the message itself. */
  lines: Record<'text' | 'name' | 'phone' | 'mail' | 'contact', (value: string) => string>;
  inLineAgain: string;
  notTaken: string;
  joined: (agent: string) => string;
  transferred: (agent: string) => string;
  leftOwed: (agent: string | undefined) => string;
  leftAnswered: (agent: string | undefined) => string;
  silent: string;
  givenBack: string;
  toTeam: (by: string | undefined, team: string) => string;
  with: (agent: string) => string;
  typing: (who: string) => string;
  ended: string;
  endedByYou: string;
  endedIdle: string;
  rateAsk: string;
  rateThanks: string;
  rateText: string;
  rateSend: string;
  rateSending: string;
  star: (score: number) => string;
  again: string;
  human: string;
  end: string;
  endSure: string;
  cancel: string;
  menu: string;
  preview: string;
  tooLong: (over: number) => string;
  lettersLeft: (bytes: number) => string;
  unread: (count: number) => string;
  older: string;
  newer: string;
  order: string;
  file: string;
  reply: string;
}

/** A number of minutes without its unit: as hours from 60 on. */
function amount(minutes: number): string {
  return String(minutes < 60 ? minutes : minutes / 60);
}

const zhTime = (minutes: number): string => `${amount(minutes)} ${minutes < 60 ? '分钟' : '小时'}`;
const zhTeam = (team: string | undefined): string => (team === undefined ? '' : `在“${team}”`);
const zhWait = (span: string): string => (span === '' ? '' : `，预计等候${span}`);

const enTime = (minutes: number): string => {
  const one = minutes === 1 || minutes === 60;
  return `${amount(minutes)} ${minutes < 60 ? 'minute' : 'hour'}${one ? '' : 's'}`;
};
const enTeam = (team: string | undefined): string => (team === undefined ? '' : ` for ${team}`);
const enWait = (span: string): string => (span === '' ? '' : `; ${span}`);
const enBefore = (before: number): string => {
  if (before === 0) return 'Very many people are writing right now';
  return before === 1 ? 'One person is before you' : `${String(before)} people are before you`;
};

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
  unconnected: '等待网络恢复',
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
  span: (low, high) => {
    if (low === 0) return high === 1 ? '大约 1 分钟' : `最多约 ${zhTime(high)}`;
    if (low === high) return `大约 ${zhTime(high)}`;
    const alike = low < 60 === high < 60;
    return `大约 ${alike ? amount(low) : zhTime(low)}–${zhTime(high)}`;
  },
  place: (place, team, span) =>
    `您${zhTeam(team)}排在第 ${String(place)} 位，前面还有 ${String(place - 1)} 位${zhWait(span)}`,
  next: (team, span) => `您${zhTeam(team)}排在第 1 位，下一位就是您${zhWait(span)}`,
  crowd: (before, span) =>
    `${before > 0 ? `现在有 ${String(before)} 位在您前面等候` : '现在咨询人数很多'}${zhWait(span)}。您的消息会自动重新发送。`,
  today: '今天',
  yesterday: '昨天',
  at: (time, day) => `${{ today: '今天', tomorrow: '明天' }[day] ?? day} ${time}`,
  nobody: '现在没有客服在线',
  nobodyUntil: (when) => `我们将于${when}（您的当地时间）回来。`,
  nobodyNow: '现在应该有客服在线了，直接写下您的问题即可。',
  nobodyFree: '客服都还在为其他顾客服务',
  nobodyThen: '当时没有客服在线',
  nobodyFreeThen: '当时客服都在为其他顾客服务',
  leaveAsk: '请留言，我们会尽快回复您。',
  leaveText: '留言内容',
  leaveName: '您的称呼（选填）',
  leaveContact: '电话或邮箱',
  leaveSend: '提交留言',
  leaveNoContact:
    '没有电话或邮箱，我们只能在这里回复您。留下一个好吗？也可以直接再点一次“提交留言”。',
  leaveOddContact: '这看起来不像电话或邮箱。请再看一眼；没有问题就再点一次“提交留言”。',
  leaveSending: '正在提交您的留言…',
  leaveWaiting: '网络还没有恢复。恢复后会自动提交您的留言。',
  leaveBusy: '现在人数较多，稍后会自动再次提交。',
  leaveFailed: '留言未能提交。请在上面点“重试”，或删除后重写。',
  leaveDone: '留言已收到，谢谢！我们会尽快回复您。',
  leaveDoneUntil: (when) => `留言已收到，谢谢！我们将于${when}（您的当地时间）开始回复。`,
  leaveMore: '还可以继续补充…',
  lines: {
    text: (value) => `留言：${value}`,
    name: (value) => `称呼：${value}`,
    phone: (value) => `电话：${value}`,
    mail: (value) => `邮箱：${value}`,
    contact: (value) => `联系方式：${value}`,
  },
  inLineAgain: '您已重新进入排队',
  notTaken: '刚才的操作没有成功，请稍后再试。',
  joined: (agent) => `${agent} 为您服务`,
  transferred: (agent) => `会话已转给 ${agent}`,
  leftOwed: (agent) => `${agent ?? '客服'} 已离开。您不用重新排队，同事会接着为您服务`,
  leftAnswered: (agent) => `${agent ?? '客服'} 已离开。有问题请直接写，同事会为您服务`,
  silent: '让您久等了，正在请另一位同事为您服务',
  givenBack: '正在请另一位同事为您服务，您不用重新排队',
  toTeam: (by, team) => `${by ?? '客服'} 已请“${team}”的同事接着为您服务`,
  with: (agent) => `${agent} 正在为您服务`,
  typing: (who) => `${who} 正在输入`,
  ended: '会话已结束',
  endedByYou: '您已结束会话',
  endedIdle: '一段时间没有新消息，会话已结束',
  rateAsk: '请为本次服务评分',
  rateThanks: '感谢您的评价！',
  rateText: '还想说点什么？（选填）',
  rateSend: '提交评价',
  rateSending: '正在提交…',
  star: (score) => `${String(score)} 星`,
  again: '开始新的会话',
  human: '转人工客服',
  end: '结束会话',
  endSure: '确定结束本次会话吗？',
  cancel: '取消',
  menu: '更多操作',
  preview: '客服能看到您正在输入的内容',
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
  unconnected: 'Waiting for the network',
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
  span: (low, high) => {
    if (low === 0) return high === 1 ? 'about a minute' : `up to about ${enTime(high)}`;
    if (low === high) return `about ${enTime(high)}`;
    return low < 60 === high < 60
      ? `about ${amount(low)}–${enTime(high)}`
      : `about ${enTime(low)} to ${enTime(high)}`;
  },
  place: (place, team, span) =>
    `You are number ${String(place)} in line${enTeam(team)}${enWait(span)}`,
  next: (team, span) => `You are next in line${enTeam(team)}${enWait(span)}`,
  crowd: (before, span) =>
    `${enBefore(before)}${enWait(span)}. Your message is sent again by itself.`,
  today: 'Today',
  yesterday: 'Yesterday',
  at: (time, day) => `${{ today: 'today', tomorrow: 'tomorrow' }[day] ?? `on ${day}`} at ${time}`,
  nobody: 'Nobody is here right now',
  nobodyUntil: (when) => `We are back ${when} (your time). `,
  nobodyNow: 'Somebody should be here by now. Just write.',
  nobodyFree: 'Everybody is still busy with others',
  nobodyThen: 'Nobody was here at that time',
  nobodyFreeThen: 'Everybody was busy with others at that time',
  leaveAsk: 'Leave a message, and we will answer as soon as we can.',
  leaveText: 'Your message',
  leaveName: 'Your name (optional)',
  leaveContact: 'Phone or e-mail',
  leaveSend: 'Leave message',
  leaveNoContact:
    'Without a phone number or e-mail we can only answer here. Would you add one? Or just press “Leave message” again.',
  leaveOddContact:
    'This does not look like a phone number or an e-mail. Have another look, or press “Leave message” again.',
  leaveSending: 'Sending your message…',
  leaveWaiting: 'You are not connected. Your message goes out as soon as you are.',
  leaveBusy: 'Very busy right now; your message is sent again by itself.',
  leaveFailed: 'Your message was not taken. Press “Try again” above, or delete it and write anew.',
  leaveDone: 'Thank you, we have your message and will answer as soon as we can.',
  leaveDoneUntil: (when) =>
    `Thank you, we have your message. We are back ${when} (your time) and will answer then.`,
  leaveMore: 'Add something…',
  lines: {
    text: (value) => `Message: ${value}`,
    name: (value) => `Name: ${value}`,
    phone: (value) => `Phone: ${value}`,
    mail: (value) => `E-mail: ${value}`,
    contact: (value) => `Contact: ${value}`,
  },
  inLineAgain: 'You are in line again',
  notTaken: 'That did not work just now. Please try again.',
  joined: (agent) => `${agent} is here to help`,
  transferred: (agent) => `You are now talking with ${agent}`,
  leftOwed: (agent) =>
    `${agent ?? 'Your agent'} had to leave. You need not line up again: a colleague takes over`,
  leftAnswered: (agent) =>
    `${agent ?? 'Your agent'} had to leave. Write whenever you like, and a colleague will help`,
  silent: 'Sorry for the wait. We are asking a colleague to help you',
  givenBack: 'We are asking a colleague to help you. You need not line up again',
  toTeam: (by, team) => `${by ?? 'Your agent'} has asked the team “${team}” to help you next`,
  with: (agent) => `You are talking with ${agent}`,
  typing: (who) => `${who} is typing`,
  ended: 'This conversation has ended',
  endedByYou: 'You ended this conversation',
  endedIdle: 'This conversation ended, as nothing was said for a while',
  rateAsk: 'How did we do?',
  rateThanks: 'Thank you for your rating!',
  rateText: 'Anything to add? (optional)',
  rateSend: 'Send rating',
  rateSending: 'Sending…',
  star: (score) => (score === 1 ? '1 star' : `${String(score)} stars`),
  again: 'Start a new conversation',
  human: 'Talk to a person',
  end: 'End conversation',
  endSure: 'End this conversation?',
  cancel: 'Cancel',
  menu: 'More',
  preview: 'We can read what you write as you write it',
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
