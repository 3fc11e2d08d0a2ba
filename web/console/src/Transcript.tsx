/**
 * What was said and what happened, with days between, unsent messages at the end.
 *
 * Each row is drawn once; rows out of sight cost no layout (`content-visibility`), so thousands stay quick.
 */

import {
  CheckOutlined,
  ClockCircleOutlined,
  ExclamationCircleOutlined,
  FileOutlined,
} from '@ant-design/icons';
import { Button } from 'antd';
import { Fragment, memo, useEffect, useLayoutEffect, useRef } from 'react';
import type { Content, Outgoing, WireEvent } from '@ringdesk/client';
import { useSurroundings } from './context.ts';
import { Face } from './Face.tsx';
import { safeUrl, splitLinks } from '@ringdesk/client';
import { clock, contentLine, day, dayKey, eventLine, whyLine } from './text.ts';

const END_PX = 80;

interface TranscriptProps {
  events: readonly WireEvent[];
  pending: readonly Outgoing[];
  visitorName: string;
  anonymous: boolean;
  /** `undefined` where it does not matter any more. */
  readByVisitor: number | undefined;
  typing: { preview: string } | undefined;
  /** The event that is looked for: it is highlighted and in sight at first, not the end. */
  hit?: number;
  onEarlier: (() => void) | undefined;
  onLater?: (() => void) | undefined;
  onRetry?: (entry: Outgoing) => void;
  onDiscard?: (entry: Outgoing) => void;
}

export function Transcript(props: TranscriptProps): React.ReactElement {
  const { events, pending, visitorName, anonymous, readByVisitor, typing, hit } = props;
  const { onEarlier, onLater } = props;
  const { say, language } = useSurroundings();
  const box = useRef<HTMLDivElement>(null);
  /** What stays in sight whatever grows, until the reader scrolls. */
  const kept = useRef<'end' | 'hit' | undefined>(hit === undefined ? 'end' : 'hit');
  const letGo = (): void => {
    kept.current = undefined;
  };
  const lastOwn = events.findLast(
    (event) => event.kind === 'message' && event.from.role === 'agent',
  );
  // Whoever answers has read what came before, also where no mark tells it: after a reload, or under pressure.
  const answered =
    events.findLast((event) => event.kind === 'message' && event.from.role === 'visitor')?.seq ?? 0;

  useLayoutEffect(() => {
    if (box.current !== null) keepInSight(box.current, kept.current);
  }, [events, pending.length, typing]);
  useEffect(() => {
    // What grows later (pictures, rows measured on sight) must not push it out of sight.
    const node = box.current;
    if (node === null) return;
    const follow = new ResizeObserver(() => {
      keepInSight(node, kept.current);
    });
    follow.observe(node);
    if (node.firstElementChild !== null) follow.observe(node.firstElementChild);
    return () => {
      follow.disconnect();
    };
  }, []);

  return (
    <div
      ref={box}
      className="log"
      role={hit === undefined ? 'log' : 'region'}
      aria-live={hit === undefined ? 'polite' : 'off'}
      aria-label={say('transcript')}
      tabIndex={0}
      onScroll={(event) => {
        if (hit !== undefined) return;
        const node = event.currentTarget;
        const atEnd = node.scrollHeight - node.scrollTop - node.clientHeight < END_PX;
        kept.current = atEnd ? 'end' : undefined;
      }}
      {...(hit === undefined
        ? {}
        : { onWheel: letGo, onTouchMove: letGo, onPointerDown: letGo, onKeyDown: letGo })}
    >
      <div className="log-rows">
        {onEarlier !== undefined && (
          <Button type="text" className="more" onClick={onEarlier}>
            {say('earlier')}
          </Button>
        )}
        {events.map((event, at) => {
          const before = events[at - 1];
          const newDay = before === undefined || dayKey(before.at) !== dayKey(event.at);
          return (
            <Fragment key={event.seq}>
              {newDay && <div className="line day">{day(event.at, new Date(), say, language)}</div>}
              <Row
                event={event}
                visitorName={visitorName}
                anonymous={anonymous}
                follows={!newDay && samePerson(before, event)}
                hit={event.seq === hit}
                mark={
                  event !== lastOwn || readByVisitor === undefined
                    ? undefined
                    : Math.max(readByVisitor, answered) >= event.seq
                      ? 'read'
                      : 'sent'
                }
              />
            </Fragment>
          );
        })}
        {onLater !== undefined && (
          <Button type="text" className="more" onClick={onLater}>
            {say('later')}
          </Button>
        )}
        {pending.map((entry) => (
          <PendingRow key={entry.id} entry={entry} {...props} />
        ))}
        {typing !== undefined && (
          <div className="bubble-row theirs">
            <Face name={visitorName} size={30} anonymous={anonymous} />
            <div className="bubble typing">{typing.preview || say('typing')}</div>
          </div>
        )}
      </div>
    </div>
  );
}

function keepInSight(box: HTMLElement, kept: 'end' | 'hit' | undefined): void {
  if (kept === 'end') box.scrollTop = box.scrollHeight;
  if (kept !== 'hit') return;
  const row = box.querySelector('.hit')?.getBoundingClientRect();
  if (row === undefined) return;
  const { top } = box.getBoundingClientRect();
  // In the middle; of one that is higher than the box, its beginning.
  box.scrollTop += row.top - top - Math.max(0, (box.clientHeight - row.height) / 2);
}

function samePerson(before: WireEvent | undefined, event: WireEvent): boolean {
  return (
    before?.kind === event.kind &&
    before.from.id === event.from.id &&
    before.from.role === event.from.role
  );
}

interface RowProps {
  event: WireEvent;
  visitorName: string;
  anonymous: boolean;
  /** The same person spoke just before. */
  follows: boolean;
  hit: boolean;
  mark: 'read' | 'sent' | undefined;
}

const Row = memo(function Row({
  event,
  visitorName,
  anonymous,
  follows,
  hit,
  mark,
}: RowProps): React.ReactElement {
  const { say, language } = useSurroundings();
  const time = clock(event.at, language);
  if (event.kind === 'note' && event.from.role !== 'system') {
    return (
      <div
        className={`bubble-row ours note ${event.content.whisper === true ? 'whisper' : ''} ${hit ? 'hit' : ''}`}
        data-seq={event.seq}
        aria-current={hit}
      >
        <div className="bubble">
          <small>
            {say(event.content.whisper === true ? 'whispered' : 'note')} ·{' '}
            {event.from.name || event.from.id}
          </small>
          <p>{event.content.text}</p>
        </div>
        <span className="meta">{time}</span>
      </div>
    );
  }
  if (event.kind !== 'message') {
    const why = whyLine(event, say);
    return (
      <div className="line" data-seq={event.seq}>
        {eventLine(event, say)} · {time}
        {why !== '' && <small className="why">{why}</small>}
      </div>
    );
  }
  const theirs = event.from.role === 'visitor';
  return (
    <div
      className={`bubble-row ${theirs ? 'theirs' : 'ours'} ${follows ? 'follows' : ''} ${hit ? 'hit' : ''}`}
      data-seq={event.seq}
      aria-current={hit}
    >
      {theirs &&
        (follows ? (
          <span className="face-gap" />
        ) : (
          <Face name={visitorName} size={30} anonymous={anonymous} />
        ))}
      <div className="bubble">
        <Said content={event.content} />
      </div>
      <span className="meta">
        {!theirs && !follows && event.from.name !== '' && <span>{event.from.name}</span>}
        {time}
        {mark !== undefined && (
          <span className={mark}>
            <CheckOutlined /> {say(mark)}
          </span>
        )}
      </span>
    </div>
  );
});

interface PendingRowProps extends Pick<TranscriptProps, 'onRetry' | 'onDiscard'> {
  entry: Outgoing;
}

function PendingRow({ entry, onRetry, onDiscard }: PendingRowProps): React.ReactElement {
  const { say } = useSurroundings();
  const note = entry.body.type !== 'message';
  return (
    <div className={`bubble-row ours pending ${note ? 'note' : ''}`}>
      <div className="bubble">
        {entry.body.type === 'message' ? (
          <Said content={entry.body.content} />
        ) : (
          <p>{entry.body.text}</p>
        )}
      </div>
      {entry.failure === undefined ? (
        <span className="meta">
          <ClockCircleOutlined /> {say('sending')}
        </span>
      ) : (
        <span className="meta failed" title={entry.failure.text}>
          <ExclamationCircleOutlined /> {say('failed')}
          <button
            type="button"
            onClick={() => {
              onRetry?.(entry);
            }}
          >
            {say('retry')}
          </button>
          <button
            type="button"
            onClick={() => {
              onDiscard?.(entry);
            }}
          >
            {say('discard')}
          </button>
        </span>
      )}
    </div>
  );
}

function Said({ content }: { content: Content }): React.ReactElement {
  const { say } = useSurroundings();
  switch (content.kind) {
    case 'text':
      return <p>{splitLinks(content.text).map(linked)}</p>;
    case 'image': {
      const src = safeUrl(content.url, location.origin);
      return src === undefined ? (
        <p>{contentLine(content, say)}</p>
      ) : (
        <a href={src} target="_blank" rel="noopener noreferrer">
          <img className="picture" src={src} alt={content.name ?? ''} loading="lazy" />
        </a>
      );
    }
    case 'file':
      return (
        <Tile url={content.url} title={content.name} line={say('file')} icon={<FileOutlined />} />
      );
    case 'card':
      return <Tile url={content.url} title={content.title} line={content.text ?? ''} />;
    case 'order':
      return (
        <Tile
          url={content.url}
          title={`${say('order')} ${content.number}`}
          line={[content.title, content.amount].filter(Boolean).join(' · ')}
        />
      );
  }
}

interface TileProps {
  url: string | undefined;
  title: string;
  line: string;
  icon?: React.ReactElement;
}

function Tile({ url, title, line, icon }: TileProps): React.ReactElement {
  const href = url === undefined ? undefined : safeUrl(url, location.origin);
  return (
    <a className="tile" href={href} target="_blank" rel="noopener noreferrer">
      {icon}
      <span>
        <b>{title}</b>
        <small>{line}</small>
      </span>
    </a>
  );
}

function linked(part: ReturnType<typeof splitLinks>[number], at: number): React.ReactNode {
  if (!('href' in part)) return part.text;
  return (
    <a key={at} href={part.href} target="_blank" rel="noopener noreferrer">
      {part.text}
    </a>
  );
}
