/** Below a conversation: the composer, the question whether it is accepted, or why one cannot write and what to do. */

import { App, Button } from 'antd';
import { useEffect, useState } from 'react';
import type { Served } from '@ringdesk/client';
import type { Summary } from './api.ts';
import { Composer } from './Composer.tsx';
import { useDesk, useSurroundings } from './context.ts';

interface TalkFootProps {
  id: string;
  visitorName: string;
  served: Served | undefined;
  summary: Summary | undefined;
  mine: boolean;
  closed: boolean;
}

export function TalkFoot(props: TalkFootProps): React.ReactElement {
  const { id, visitorName, served, summary, mine, closed } = props;
  const desk = useDesk();
  const { say } = useSurroundings();
  const [note, setNote] = useState(false);
  if (mine) {
    return (
      <>
        <AcceptPrompt id={id} until={desk.agent.acceptUntil(id)} />
        <Composer key={id} id={id} visitorName={visitorName} note={note} onNote={setNote} />
      </>
    );
  }
  if (closed) return <p className="read-only">{say('readOnlyClosed')}</p>;
  const live = desk.agent.watching.has(id) && served !== undefined;
  const holder = live ? served.talk.agent : (summary?.agent ?? undefined);
  const left = summary?.phase === 'leave_message';
  const words = left ? 'readOnlyLeft' : 'readOnlyWaiting';
  return (
    <>
      <div className="read-only">
        <span>{holder ? say('readOnlyOther', holder) : say(words)}</span>
        {(desk.oversees || left) && <TakeOver id={id} holder={holder} />}
      </div>
      {/* By its own key: the same composer would keep the whisper and offer it as a reply. */}
      {desk.oversees && (
        <Composer key={`whisper:${id}`} id={id} visitorName={visitorName} whisper />
      )}
    </>
  );
}

/** Takes what nobody has at once; what somebody has, after a question. */
function TakeOver({ id, holder }: { id: string; holder: string | undefined }): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const { modal } = App.useApp();
  const take = (): void => {
    if (holder === undefined) {
      desk.agent.takeOver(id);
      return;
    }
    modal.confirm({
      title: say('takeOverSure', holder),
      content: say('takeOverText', holder),
      okText: say('takeOver'),
      cancelText: say('cancel'),
      onOk: () => {
        desk.agent.takeOver(id);
      },
    });
  };
  return (
    <Button type="primary" data-action="takeover" onClick={take}>
      {say('takeOver')}
    </Button>
  );
}

/** Asks whether an assignment is taken, where the team wants a word, and tells how long there is. */
function AcceptPrompt({ id, until }: { id: string; until: number }): React.ReactElement | null {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (until === 0) return;
    const timer = setInterval(() => {
      setNow(Date.now());
    }, 500);
    return () => {
      clearInterval(timer);
    };
  }, [until]);
  if (until === 0) return null;
  const seconds = Math.ceil((until - now) / 1_000);
  return (
    <div className="accept" role="group" aria-label={say('acceptAsk')}>
      <div>
        <b role="alert">{say('acceptAsk')}</b>
        {/* Not read out: second by second it would be noise. */}
        <div className="soft" aria-hidden="true">
          {seconds > 0 ? say('acceptWithin', seconds) : say('acceptLate')}
        </div>
      </div>
      <Button
        data-action="decline"
        onClick={() => {
          desk.agent.decline(id);
        }}
      >
        {say('decline')}
      </Button>
      <Button
        type="primary"
        data-action="accept"
        onClick={() => {
          desk.agent.accept(id);
        }}
      >
        {say('accept')}
      </Button>
    </div>
  );
}
