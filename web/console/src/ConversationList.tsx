/** The left column: one's own presence, and the conversations that are mine, wait, or are over. */

import { Badge, Button, Empty, InputNumber, Segmented, Select, Skeleton, Tag } from 'antd';
import { useEffect, useState } from 'react';
import type { Summary } from './api.ts';
import { useDesk, useSurroundings } from './context.ts';
import type { Item } from './desk.ts';
import { Face } from './Face.tsx';
import { clock, contentLine, dateAndClock, visitorName, waits } from './text.ts';
import type { Word } from './words.ts';

export type Tab = 'mine' | 'waiting' | 'left' | 'others' | 'closed';

const PAGE = 30;
/** How often a list is asked for: often while it is looked at. */
const LIST_MS = 4_000;
const LIST_HIDDEN_MS = 15_000;
const LIST_MAX = 100;
const CAPACITY_MAX = 99;
const SHEDDING_WORDS = {
  typing: 'sheddingTyping',
  bot: 'sheddingBot',
  conversations: 'sheddingConversations',
  messages: 'sheddingMessages',
} as const;

interface ListProps {
  tab: Tab;
  onTab: (tab: Tab) => void;
  /** Whose conversations the tab of the others shows; nothing: everybody's. */
  only: string | undefined;
  onOnly: (agent: string | undefined) => void;
  chosen: string | undefined;
  onChoose: (id: string) => void;
}

export function ConversationList(props: ListProps): React.ReactElement {
  const { tab, onTab, only, onOnly, chosen, onChoose } = props;
  const desk = useDesk();
  const { say } = useSurroundings();
  const mine = desk.mine();
  const waiting = useSummaries('waiting', tab === 'waiting', mine.length);
  const left = useSummaries('left', tab === 'left', mine.length);
  const label = (word: Tab, count: number, alarming: boolean): React.ReactElement => (
    <span className="tab-label">
      {say(word)}
      {count > 0 && <Badge count={count} size="small" {...(alarming ? {} : { color: 'gray' })} />}
    </span>
  );
  return (
    <aside className="list" aria-label={say('desk')}>
      <PresenceBar />
      <SheddingBanner />
      <Segmented<Tab>
        block
        className="tabs"
        value={tab}
        onChange={onTab}
        options={[
          { value: 'mine', label: label('mine', mine.length, false) },
          { value: 'waiting', label: label('waiting', waiting?.length ?? 0, true) },
          { value: 'left', label: label('left', left?.length ?? 0, true) },
          ...(desk.oversees ? [{ value: 'others' as const, label: say('others') }] : []),
          { value: 'closed', label: say('closed') },
        ]}
      />
      <div className="list-body">
        {tab === 'mine' && <Mine items={mine} chosen={chosen} onChoose={onChoose} />}
        {tab === 'waiting' && (
          <Rows
            rows={waiting}
            chosen={chosen}
            onChoose={onChoose}
            empty={['emptyWaiting', 'emptyWaitingText']}
          />
        )}
        {tab === 'left' && (
          <Rows
            rows={left}
            chosen={chosen}
            onChoose={onChoose}
            empty={['emptyLeft', 'emptyLeftText']}
          />
        )}
        {tab === 'others' && (
          <Others only={only} onOnly={onOnly} chosen={chosen} onChoose={onChoose} />
        )}
        {tab === 'closed' && <Closed chosen={chosen} onChoose={onChoose} />}
      </div>
    </aside>
  );
}

function PresenceBar(): React.ReactElement {
  const desk = useDesk();
  const { say, prefer } = useSurroundings();
  const { presence, link } = desk.agent;
  const set = (state: 'ready' | 'away', capacity: number): void => {
    desk.agent.setPresence(state, capacity);
    prefer({ presence: state, capacity });
  };
  const connected = link.state.name === 'open';
  return (
    <div className="presence">
      <Badge
        dot
        color={connected && presence.state === 'ready' ? '#22c55e' : '#9ca3af'}
        offset={[-5, 35]}
      >
        <Face name={desk.login.name} />
      </Badge>
      <div className="presence-words">
        <b>{desk.login.name}</b>
        <small className="soft">
          {connected
            ? say(presence.state === 'ready' ? 'readyHint' : 'awayHint')
            : say('connecting')}
        </small>
      </div>
      <Select
        size="small"
        className="presence-select"
        aria-label={say('presence')}
        value={presence.state}
        popupMatchSelectWidth={210}
        onChange={(state) => {
          set(state, presence.capacity);
        }}
        options={(['ready', 'away'] as const).map((value) => ({
          value,
          label: <Badge color={value === 'ready' ? '#22c55e' : '#9ca3af'} text={say(value)} />,
        }))}
        popupRender={(menu) => (
          <>
            {menu}
            <label className="capacity">
              {say('capacity')}
              <InputNumber
                size="small"
                min={1}
                max={CAPACITY_MAX}
                value={presence.capacity}
                onKeyDown={(event) => {
                  event.stopPropagation();
                }}
                onChange={(capacity) => {
                  if (capacity !== null) set(presence.state, capacity);
                }}
              />
            </label>
          </>
        )}
      />
    </div>
  );
}

/** Says what the server gives up for want of time, as long as it does. */
function SheddingBanner(): React.ReactElement | null {
  const { shedding } = useDesk().agent;
  const { say } = useSurroundings();
  if (shedding === 'none') return null;
  return (
    <div className="link-banner" role="status" data-shedding={shedding}>
      {say(SHEDDING_WORDS[shedding])}
    </div>
  );
}

/**
 * The conversations of one state; `undefined` until they were asked for. Asked again at once when the number of our
 * own changes: then one has probably come out of the queue.
 */
function useSummaries(
  state: 'waiting' | 'left' | 'open',
  looking: boolean,
  mine: number,
): Summary[] | undefined {
  const desk = useDesk();
  const [rows, setRows] = useState<Summary[]>();
  useEffect(() => {
    let stopped = false;
    const ask = async (): Promise<void> => {
      try {
        const { conversations } = await desk.api.conversations(state, LIST_MAX);
        if (!stopped) setRows(conversations);
      } catch {
        // The next round asks again; the connection banner says what is wrong.
      }
    };
    void ask();
    const timer = setInterval(() => void ask(), looking ? LIST_MS : LIST_HIDDEN_MS);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, [desk, state, looking, mine]);
  return rows;
}

interface ChoiceProps {
  chosen: string | undefined;
  onChoose: (id: string) => void;
}

function Mine({ items, chosen, onChoose }: ChoiceProps & { items: Item[] }): React.ReactElement {
  const desk = useDesk();
  const { say, prefer } = useSurroundings();
  const now = useMinute();
  if (items.length === 0) {
    const away = desk.agent.presence.state === 'away';
    return (
      <Nothing
        title={say(away ? 'emptyMineAway' : 'emptyMineReady')}
        text={say(away ? 'emptyMineAwayText' : 'emptyMineReadyText')}
      >
        {away && (
          <Button
            type="primary"
            onClick={() => {
              desk.agent.setPresence('ready', desk.agent.presence.capacity);
              prefer({ presence: 'ready' });
            }}
          >
            {say('goReady')}
          </Button>
        )}
      </Nothing>
    );
  }
  return (
    <ul>
      {items.map((item) => (
        <MineRow
          key={item.id}
          item={item}
          now={now}
          active={item.id === chosen}
          onChoose={onChoose}
        />
      ))}
    </ul>
  );
}

interface MineRowProps {
  item: Item;
  now: number;
  active: boolean;
  onChoose: (id: string) => void;
}

function MineRow({ item, now, active, onChoose }: MineRowProps): React.ReactElement {
  const desk = useDesk();
  const { say, language } = useSurroundings();
  const { summary, served, last, waitsSince } = item;
  const name = visitorName(summary, item.id, say);
  const typing = served.typingUntil > 0;
  const said = last?.kind === 'message' ? contentLine(last.content, say) : '';
  const preview = last?.from.role === 'agent' ? `${say('you')}: ${said}` : said;
  const needs = waitsSince > 0 ? waits(waitsSince, now, say) : undefined;
  return (
    <Row
      id={item.id}
      name={name}
      anonymous={!summary?.name}
      vip={summary?.vip ?? false}
      active={active}
      time={last === undefined ? '' : clock(last.at, language)}
      preview={typing ? served.preview || say('typing') : preview}
      needs={desk.agent.acceptUntil(item.id) > 0 ? say('needsAccept') : needs}
      unread={item.unread}
      onChoose={onChoose}
    />
  );
}

interface RowProps {
  id: string;
  name: string;
  anonymous: boolean;
  vip: boolean;
  active: boolean;
  time: string;
  preview: string;
  needs?: string | undefined;
  /** Who has it. */
  holder?: string;
  unread?: number;
  onChoose: (id: string) => void;
}

function Row(props: RowProps): React.ReactElement {
  const { say } = useSurroundings();
  const { id, name, vip, active, time, preview, needs, holder, unread = 0, onChoose } = props;
  return (
    <li>
      <button
        type="button"
        className="row"
        data-conversation={id}
        data-needs={needs !== undefined}
        aria-current={active}
        onClick={() => {
          onChoose(id);
        }}
      >
        <Face name={name} anonymous={props.anonymous} />
        <span className="row-words">
          <span className="row-top">
            <b>{name}</b>
            {vip && <Tag className="vip">{say('vip')}</Tag>}
            <time>{time}</time>
          </span>
          <span className="row-bottom">
            <span className="row-preview">{preview}</span>
            {holder !== undefined && <Tag className="holder">{holder}</Tag>}
            {needs !== undefined && <span className="needs">{needs}</span>}
            <Badge count={unread} size="small" />
          </span>
        </span>
      </button>
    </li>
  );
}

interface RowsProps extends ChoiceProps {
  rows: Summary[] | undefined;
  empty: [title: Word, text: Word];
  /** Whether it says who has each. */
  holders?: boolean;
}

function Rows({ rows, chosen, onChoose, empty, holders = false }: RowsProps): React.ReactElement {
  const desk = useDesk();
  const { say, language } = useSurroundings();
  if (rows === undefined) return <Skeleton active avatar className="list-wait" />;
  if (rows.length === 0) return <Nothing title={say(empty[0])} text={say(empty[1])} />;
  return (
    <ul>
      {rows.map((summary) => (
        <Row
          key={summary.id}
          id={summary.id}
          name={visitorName(summary, summary.id, say)}
          anonymous={summary.name === ''}
          vip={summary.vip}
          active={summary.id === chosen}
          time={summary.last_at === undefined ? '' : dateAndClock(summary.last_at, language)}
          preview={summary.preview ?? ''}
          {...(holders && summary.agent !== null ? { holder: summary.agent } : {})}
          onChoose={(id) => {
            desk.learn(summary);
            onChoose(id);
          }}
        />
      ))}
    </ul>
  );
}

interface OthersProps extends ChoiceProps {
  only: string | undefined;
  onOnly: (agent: string | undefined) => void;
}

/** What colleagues have, for supervisors. */
function Others({ only, onOnly, chosen, onChoose }: OthersProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const open = useSummaries('open', true, 0);
  const rows = open?.filter(
    ({ agent }) =>
      agent !== null && agent !== desk.login.name && (only === undefined || agent === only),
  );
  return (
    <>
      {only !== undefined && (
        <p className="only-of">
          {say('onlyOf', only)}{' '}
          <Button
            type="link"
            size="small"
            onClick={() => {
              onOnly(undefined);
            }}
          >
            {say('showAll')}
          </Button>
        </p>
      )}
      <Rows
        rows={rows}
        holders
        chosen={chosen}
        onChoose={onChoose}
        empty={['emptyOthers', 'emptyOthersText']}
      />
    </>
  );
}

/** What is over, the newest first. What ends while it is looked at comes on top: SQL has it a moment later. */
function Closed({ chosen, onChoose }: ChoiceProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [rows, setRows] = useState<Summary[]>();
  const [next, setNext] = useState<string>();
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    let stopped = false;
    let begun = false;
    const ask = async (): Promise<void> => {
      try {
        const page = await desk.api.conversations('closed', PAGE);
        if (stopped) return;
        setRows((old) => withoutRepeats([...page.conversations, ...(old ?? [])]));
        if (!begun) setNext(placeOf(page.next));
        begun = true;
      } catch {
        if (!stopped) setRows((old) => old ?? []); // The next round asks again.
      }
    };
    void ask();
    const timer = setInterval(() => void ask(), LIST_MS);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, [desk]);
  const more = async (before: string): Promise<void> => {
    setBusy(true);
    try {
      const page = await desk.api.conversations('closed', PAGE, before);
      setRows((old) => withoutRepeats([...(old ?? []), ...page.conversations]));
      setNext(placeOf(page.next));
    } catch {
      // The button is still there.
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Rows
        rows={rows}
        chosen={chosen}
        onChoose={onChoose}
        empty={['emptyClosed', 'emptyClosedText']}
      />
      {next !== undefined && (
        <Button className="more" type="text" loading={busy} onClick={() => void more(next)}>
          {say('more')}
        </Button>
      )}
    </>
  );
}

function placeOf(next: string | number | null | undefined): string | undefined {
  return next === undefined || next === null ? undefined : String(next);
}

/** The first of each: the newer summary. */
function withoutRepeats(rows: Summary[]): Summary[] {
  const firsts = new Map<string, Summary>();
  for (const row of rows) if (!firsts.has(row.id)) firsts.set(row.id, row);
  return [...firsts.values()];
}

interface NothingProps {
  title: string;
  text: string;
  children?: React.ReactNode;
}

export function Nothing({ title, text, children }: NothingProps): React.ReactElement {
  return (
    <Empty
      className="nothing"
      image={Empty.PRESENTED_IMAGE_SIMPLE}
      description={
        <>
          <b>{title}</b>
          <div className="soft">{text}</div>
        </>
      }
    >
      {children}
    </Empty>
  );
}

/** The time, again every few seconds, for "waits 2 min". */
function useMinute(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      setNow(Date.now());
    }, 5_000);
    return () => {
      clearInterval(timer);
    };
  }, []);
  return now;
}
