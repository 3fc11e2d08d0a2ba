/** The right column: who the visitor is and where the conversation stands. */

import { Descriptions, Rate, Tag, Typography } from 'antd';
import { foldAll, safeUrl } from '@ringdesk/client';
import type { WireEvent } from '@ringdesk/client';
import type { Summary } from './api.ts';
import { useSurroundings } from './context.ts';
import { Face } from './Face.tsx';
import { dateAndClock } from './text.ts';

interface DetailsProps {
  id: string;
  name: string;
  summary: Summary | undefined;
  events: readonly WireEvent[];
}

export function Details({ id, name, summary, events }: DetailsProps): React.ReactElement {
  const { say, language } = useSurroundings();
  const talk = foldAll(events);
  const phase = talk.phase === 'new' ? summary?.phase : talk.phase;
  const state =
    phase === 'closed' ? say('closed') : say(talk.agent || summary?.agent ? 'serving' : 'waiting');
  const page = summary?.page ? safeUrl(summary.page) : undefined;
  const begun = summary?.opened_at ?? events[0]?.at;
  const count = Math.max(summary?.seq ?? 0, events.at(-1)?.seq ?? 0);
  const rows = [
    { label: say('visitorId'), value: <Copyable text={summary?.visitor ?? ''} /> },
    { label: say('agent'), value: talk.agent ?? summary?.agent ?? '–' },
    { label: say('team'), value: summary?.team ?? '–' },
    { label: say('site'), value: summary?.site ?? '–' },
    {
      label: say('page'),
      value:
        page === undefined ? (
          '–'
        ) : (
          <a href={page} target="_blank" rel="noopener noreferrer">
            {page.replace(/^https?:\/\//, '')}
          </a>
        ),
    },
    {
      label: say('started'),
      value: begun === undefined ? '–' : dateAndClock(begun, language),
    },
    { label: say('events'), value: String(count) },
    { label: say('conversation'), value: <Copyable text={id} /> },
  ];
  return (
    <div className="person">
      <div className="person-head">
        <Face name={name} size={64} anonymous={!summary?.name} />
        <h2>{name}</h2>
        <div>
          {summary?.vip === true ? (
            <Tag className="vip">{say('vip')}</Tag>
          ) : (
            <Tag>{say('normal')}</Tag>
          )}
          <Tag color={phase === 'closed' ? 'default' : 'green'}>{state}</Tag>
        </div>
        {talk.rating !== undefined && <Rate disabled value={talk.rating.score} />}
      </div>
      <Descriptions
        column={1}
        size="small"
        layout="vertical"
        colon={false}
        items={rows.map((row) => ({ key: row.label, label: row.label, children: row.value }))}
      />
    </div>
  );
}

function Copyable({ text }: { text: string }): React.ReactElement {
  if (text === '') return <>–</>;
  return (
    <Typography.Text copyable={{ text }} ellipsis={{ tooltip: text }} style={{ maxWidth: 210 }}>
      {text}
    </Typography.Text>
  );
}
