/** One conversation as it was, around what was found in it. Nothing is answered here. */

import { ArrowLeftOutlined, FilterOutlined } from '@ant-design/icons';
import { Alert, Button, Skeleton, Tag } from 'antd';
import { useEffect, useRef, useState } from 'react';
import type { WireEvent } from '@ringdesk/client';
import type { Hit } from './api.ts';
import { useDesk, useSurroundings } from './context.ts';
import { Face } from './Face.tsx';
import { AROUND, problemOf, readOn } from './search.ts';
import type { Stretch } from './search.ts';
import { visitorName } from './text.ts';
import { Transcript } from './Transcript.tsx';

interface ReaderProps {
  hit: Hit;
  onBack: () => void;
  onOpen: (conversation: string) => void;
  onVisitor: (visitor: string) => void;
}

export function Reader({ hit, onBack, onOpen, onVisitor }: ReaderProps): React.ReactElement {
  const { say } = useSurroundings();
  const { conversation, seq } = hit.event;
  const name = visitorName(hit, conversation, say);
  const reading = useReading(conversation, seq);
  const back = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    // Out of sight, and so without effect, wherever the list stays beside.
    back.current?.focus();
  }, []);

  return (
    <section
      className="talk"
      aria-label={`${say('transcript')}: ${name}`}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onBack();
      }}
    >
      <header className="talk-head">
        <Button
          ref={back}
          className="only-phone"
          type="text"
          icon={<ArrowLeftOutlined />}
          aria-label={say('backToResults')}
          onClick={onBack}
        />
        <Face name={name} size={36} anonymous={hit.name === ''} />
        <div className="talk-who">
          <b>
            {name} {hit.vip && <Tag className="vip">{say('vip')}</Tag>}
          </b>
          <small className="soft" title={hit.visitor}>
            {hit.visitor}
          </small>
        </div>
        <Button
          icon={<FilterOutlined />}
          aria-label={say('onlyVisitor')}
          onClick={() => {
            onVisitor(hit.visitor);
          }}
        >
          <span className="not-phone">{say('onlyVisitor')}</span>
        </Button>
      </header>
      {reading.problem !== undefined && (
        <Alert
          type="error"
          showIcon
          banner
          title={say('loadFailed', reading.problem)}
          action={
            <Button size="small" onClick={reading.retry}>
              {say('retry')}
            </Button>
          }
        />
      )}
      {reading.events === undefined ? (
        <div className="talk-wait">
          {reading.problem === undefined && <Skeleton active avatar />}
        </div>
      ) : (
        <Transcript
          events={reading.events}
          pending={[]}
          visitorName={name}
          anonymous={hit.name === ''}
          readByVisitor={undefined}
          typing={undefined}
          hit={seq}
          onEarlier={reading.earlier}
          onLater={reading.later}
        />
      )}
      <p className="read-only">
        {say('readOnlyHistory')}{' '}
        <Button
          type="link"
          size="small"
          onClick={() => {
            onOpen(conversation);
          }}
        >
          {say('openAtDesk')}
        </Button>
      </p>
    </section>
  );
}

interface Reading {
  events: readonly WireEvent[] | undefined;
  problem: string | undefined;
  earlier: (() => void) | undefined;
  later: (() => void) | undefined;
  retry: () => void;
}

/** The events around one; those before and after on demand. */
function useReading(id: string, seq: number): Reading {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [read, setRead] = useState<Stretch & { from: number }>();
  const [problem, setProblem] = useState<string>();
  const [round, setRound] = useState(0);

  useEffect(() => {
    let stopped = false;
    const from = Math.max(0, seq - 1 - AROUND);
    readOn((after, limit) => desk.api.events(id, after, limit), from, seq - from + AROUND).then(
      (stretch) => {
        if (stopped) return;
        setRead({ ...stretch, from });
        setProblem(undefined);
      },
      (error: unknown) => {
        if (!stopped) setProblem(problemOf(error, say));
      },
    );
    return () => {
      stopped = true;
    };
  }, [desk, id, seq, round, say]);

  /** Asks for a stretch more, and joins it to what is there; twice asked for is once joined. */
  const add = async (after: number, count: number): Promise<void> => {
    try {
      const got = await readOn((at, limit) => desk.api.events(id, at, limit), after, count);
      setRead((old) => {
        if (old === undefined) return old;
        if (after < old.from) {
          if (after + got.events.length !== old.from) return old;
          return { ...old, from: after, events: [...got.events, ...old.events] };
        }
        if (old.events.at(-1)?.seq !== after) return old;
        return { ...old, more: got.more, events: [...old.events, ...got.events] };
      });
      setProblem(undefined);
    } catch (error) {
      setProblem(problemOf(error, say));
    }
  };
  const from = read?.from ?? 0;
  const earliest = Math.max(0, from - AROUND);
  const last = read?.events.at(-1)?.seq ?? 0;
  return {
    events: read?.events,
    problem,
    earlier: from > 0 ? () => void add(earliest, from - earliest) : undefined,
    later: read?.more === true ? () => void add(last, AROUND) : undefined,
    retry: () => {
      setProblem(undefined);
      setRound((old) => old + 1);
    },
  };
}
