/** The middle and the right: one conversation, its composer, and who the visitor is. */

import { Drawer, Skeleton } from 'antd';
import { useEffect, useState } from 'react';
import type { Outgoing, WireEvent } from '@ringdesk/client';
import { useDesk, useSurroundings } from './context.ts';
import { Nothing } from './ConversationList.tsx';
import { Details } from './Details.tsx';
import { TalkFoot } from './TalkFoot.tsx';
import { TalkHead } from './TalkHead.tsx';
import { visitorName } from './text.ts';
import { Transcript } from './Transcript.tsx';

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
  const served = desk.agent.served.get(id);
  const mine = served !== undefined && desk.isMine(served);
  const history = useHistory(id, !mine);
  const summary = desk.summaries.get(id);
  // What came over the socket may have ended with our turn at it; what was asked for may be older than that.
  const live = served !== undefined && served.seq >= history.lastSeq;
  const events = live ? served.events : (history.events ?? served?.events);
  const closed = live
    ? served.talk.phase === 'closed'
    : (events?.some((event) => event.kind === 'closed') ?? summary?.phase === 'closed');
  const name = visitorName(summary, id, say);
  const pending = [...desk.agent.accepted.values(), ...desk.agent.outbox.all()].filter(
    (entry) => entry.conversation === id,
  );
  useReadingAlong(id, desk.oversees && !mine && !closed && history.events !== undefined);

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

  const follows = mine || desk.agent.watching.has(id);
  return (
    <>
      <main className="talk" aria-label={name}>
        <TalkHead
          id={id}
          name={name}
          summary={summary}
          mine={mine}
          returnable={
            served !== undefined && isUnanswered(served.events) && desk.agent.acceptUntil(id) === 0
          }
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
            typing={
              follows && live && served.typingUntil > 0 ? { preview: served.preview } : undefined
            }
            onEarlier={live ? undefined : history.earlier}
            onRetry={(entry: Outgoing) => {
              desk.agent.retry(entry.id);
            }}
            onDiscard={(entry: Outgoing) => {
              desk.agent.discard(entry.id);
            }}
          />
        )}
        <TalkFoot
          id={id}
          visitorName={[summary?.name, nameSaid(events)].find(Boolean) ?? say('someVisitor')}
          served={served}
          summary={summary}
          mine={mine}
          closed={closed}
        />
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

/** What the visitor is called where the messages say it. */
function nameSaid(events: readonly WireEvent[] | undefined): string {
  return events?.find((event) => event.from.role === 'visitor')?.from.name ?? '';
}

/** Whether the visitor had the last word. */
function isUnanswered(events: readonly WireEvent[]): boolean {
  return events.findLast((event) => event.kind === 'message')?.from.role === 'visitor';
}

/** A supervisor who looks at somebody else's conversation reads it live. */
function useReadingAlong(id: string, wanted: boolean): void {
  const { agent } = useDesk();
  useEffect(() => {
    if (!wanted) return;
    agent.watch(id);
    return () => {
      agent.unwatch(id);
    };
  }, [agent, id, wanted]);
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
  events: readonly WireEvent[] | undefined;
  /** The newest event of the conversation when it was asked for; 0 before. */
  lastSeq: number;
  earlier: (() => void) | undefined;
}

/** A conversation that does not come over the socket: its last events, and earlier ones on demand. */
function useHistory(id: string, wanted: boolean): History {
  const desk = useDesk();
  const [events, setEvents] = useState<readonly WireEvent[]>();
  const [from, setFrom] = useState(0);
  const [lastSeq, setLastSeq] = useState(0);

  useEffect(() => {
    if (!wanted) return;
    let stopped = false;
    const load = async (): Promise<void> => {
      try {
        const found = await desk.api.conversation(id);
        const after = Math.max(0, found.seq - HISTORY_PAGE);
        const page = await desk.api.events(id, after, HISTORY_PAGE);
        if (stopped) return;
        desk.learn(found);
        setEvents(page.events);
        setFrom(after);
        setLastSeq(page.last_seq);
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
  return { events, lastSeq, earlier: wanted && from > 0 ? () => void earlier() : undefined };
}
