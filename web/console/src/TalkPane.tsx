/** The middle and the right: one conversation, its composer, and who the visitor is. */

import {
  ArrowLeftOutlined,
  CloseCircleOutlined,
  InfoCircleOutlined,
  SwapOutlined,
} from '@ant-design/icons';
import { App, Button, Drawer, Skeleton, Tag, Tooltip } from 'antd';
import { useEffect, useState } from 'react';
import type { Outgoing, WireEvent } from '@ringdesk/client';
import type { Summary } from './api.ts';
import { Composer } from './Composer.tsx';
import { useDesk, useSurroundings } from './context.ts';
import { Nothing } from './ConversationList.tsx';
import { Details } from './Details.tsx';
import { Face } from './Face.tsx';
import { visitorName } from './text.ts';
import { Transcript } from './Transcript.tsx';
import { Transfer } from './Transfer.tsx';

/** Events asked for at once when reading what is over. */
const HISTORY_PAGE = 100;

interface TalkPaneProps {
  id: string | undefined;
  onBack: () => void;
}

export function TalkPane({ id, onBack }: TalkPaneProps): React.ReactElement {
  const { say } = useSurroundings();
  if (id === undefined) {
    return (
      <main className="talk talk-empty">
        <LinkBanner />
        <Nothing title={say('emptyTalk')} text={say('emptyTalkText')} />
      </main>
    );
  }
  return <Talk id={id} onBack={onBack} />;
}

function Talk({ id, onBack }: { id: string; onBack: () => void }): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [details, setDetails] = useState(false);
  const [note, setNote] = useState(false);
  const served = desk.agent.served.get(id);
  const mine = served !== undefined && desk.isMine(served);
  const history = useHistory(id, served === undefined);
  const summary = desk.summaries.get(id) ?? history.summary;
  const events = served?.events ?? history.events;
  const name = visitorName(summary, id, say);
  const pending = [...desk.agent.accepted.values(), ...desk.agent.outbox.all()].filter(
    (entry) => entry.conversation === id,
  );

  useEffect(() => {
    if (served === undefined || !mine) return;
    const look = (): void => {
      if (document.visibilityState === 'visible') desk.markRead(served);
    };
    look();
    document.addEventListener('visibilitychange', look);
    return () => {
      document.removeEventListener('visibilitychange', look);
    };
  }, [desk, served, mine]);

  return (
    <>
      <main className="talk" aria-label={name}>
        <TalkHead
          id={id}
          name={name}
          summary={summary}
          mine={mine}
          onBack={onBack}
          onDetails={() => {
            setDetails(true);
          }}
        />
        <LinkBanner />
        {events === undefined ? (
          <Skeleton active avatar className="talk-wait" />
        ) : (
          <Transcript
            events={events}
            pending={pending}
            visitorName={name}
            anonymous={!summary?.name}
            readByVisitor={served?.readByVisitor ?? 0}
            typing={mine && served.typingUntil > 0 ? { preview: served.preview } : undefined}
            onEarlier={history.earlier}
            onRetry={(entry: Outgoing) => {
              desk.agent.retry(entry.id);
            }}
            onDiscard={(entry: Outgoing) => {
              desk.agent.discard(entry.id);
            }}
          />
        )}
        {mine ? (
          <Composer key={id} id={id} note={note} onNote={setNote} />
        ) : (
          <p className="read-only">{reasonReadOnly(served?.talk.agent, summary, events, say)}</p>
        )}
      </main>
      <aside className="details" aria-label={say('details')}>
        <Details id={id} name={name} summary={summary} events={events ?? []} />
      </aside>
      <Drawer
        title={say('details')}
        open={details}
        size="min(360px, 100vw)"
        onClose={() => {
          setDetails(false);
        }}
      >
        <Details id={id} name={name} summary={summary} events={events ?? []} />
      </Drawer>
    </>
  );
}

function reasonReadOnly(
  agent: string | undefined,
  summary: Summary | undefined,
  events: readonly WireEvent[] | undefined,
  say: ReturnType<typeof useSurroundings>['say'],
): string {
  const closed = events?.some((event) => event.kind === 'closed') ?? summary?.phase === 'closed';
  if (closed) return say('readOnlyClosed');
  const holder = agent ?? summary?.agent;
  return holder ? say('readOnlyOther', holder) : say('readOnlyWaiting');
}

interface TalkHeadProps {
  id: string;
  name: string;
  summary: Summary | undefined;
  mine: boolean;
  onBack: () => void;
  onDetails: () => void;
}

function TalkHead({
  id,
  name,
  summary,
  mine,
  onBack,
  onDetails,
}: TalkHeadProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const { modal } = App.useApp();
  const [transfer, setTransfer] = useState(false);
  const close = (): void => {
    modal.confirm({
      title: say('closeSure'),
      content: say('closeText'),
      okText: say('closeTalk'),
      cancelText: say('cancel'),
      onOk: () => {
        desk.agent.close(id);
      },
    });
  };
  return (
    <header className="talk-head">
      <Button
        className="only-phone"
        type="text"
        icon={<ArrowLeftOutlined />}
        aria-label={say('back')}
        onClick={onBack}
      />
      <Face name={name} size={36} anonymous={!summary?.name} />
      <div className="talk-who">
        <b>
          {name} {summary?.vip === true && <Tag className="vip">{say('vip')}</Tag>}
        </b>
        <small className="soft">{summary?.page}</small>
      </div>
      {mine && (
        <>
          <Tooltip title="Alt+T">
            <Button
              icon={<SwapOutlined />}
              data-action="transfer"
              aria-label={say('transfer')}
              onClick={() => {
                setTransfer(true);
              }}
            >
              <span className="not-phone">{say('transfer')}</span>
            </Button>
          </Tooltip>
          <Tooltip title="Alt+E">
            <Button
              icon={<CloseCircleOutlined />}
              data-action="close"
              aria-label={say('closeTalk')}
              onClick={close}
            >
              <span className="not-phone">{say('close')}</span>
            </Button>
          </Tooltip>
        </>
      )}
      <Button
        className="only-narrow"
        type="text"
        icon={<InfoCircleOutlined />}
        aria-label={say('details')}
        onClick={onDetails}
      />
      <Transfer
        id={id}
        open={transfer}
        onClose={() => {
          setTransfer(false);
        }}
      />
    </header>
  );
}

/** Says when what is on the screen may be old. Silent for the moment a first connection takes. */
function LinkBanner(): React.ReactElement | null {
  const desk = useDesk();
  const { say } = useSurroundings();
  const { state } = desk.agent.link;
  const trouble = state.name === 'waiting' || (state.name === 'connecting' && state.attempt > 0);
  if (!trouble) return null;
  return (
    <div className="link-banner" role="status">
      {say(navigator.onLine ? 'reconnecting' : 'offline')}
    </div>
  );
}

interface History {
  summary: Summary | undefined;
  events: readonly WireEvent[] | undefined;
  earlier: (() => void) | undefined;
}

/** A conversation that does not come over the socket: its last events, and earlier ones on demand. */
function useHistory(id: string, wanted: boolean): History {
  const desk = useDesk();
  const [summary, setSummary] = useState<Summary>();
  const [events, setEvents] = useState<readonly WireEvent[]>();
  const [from, setFrom] = useState(0);

  useEffect(() => {
    if (!wanted) return;
    let stopped = false;
    const load = async (): Promise<void> => {
      try {
        const found = await desk.api.conversation(id);
        const after = Math.max(0, found.seq - HISTORY_PAGE);
        const page = await desk.api.events(id, after, HISTORY_PAGE);
        if (stopped) return;
        setSummary(found);
        setEvents(page.events);
        setFrom(after);
      } catch {
        if (!stopped) setEvents((old) => old ?? []);
      }
    };
    void load();
    return () => {
      stopped = true;
    };
  }, [desk, id, wanted]);

  const earlier = async (): Promise<void> => {
    const after = Math.max(0, from - HISTORY_PAGE);
    const page = await desk.api.events(id, after, from - after);
    setEvents((old) => [...page.events, ...(old ?? [])]);
    setFrom(after);
  };
  return { summary, events, earlier: wanted && from > 0 ? () => void earlier() : undefined };
}
