/** What was said, found again: the search and its hits on the left, the conversation of a hit on the right. */

import { SearchOutlined } from '@ant-design/icons';
import { Alert, Button, DatePicker, Input, Select, Skeleton, Tag } from 'antd';
import type { InputRef, TimeRangePickerProps } from 'antd';
import { useEffect, useRef, useState } from 'react';
import type { Hit } from './api.ts';
import { useDesk, useSurroundings } from './context.ts';
import { Nothing } from './ConversationList.tsx';
import { Face } from './Face.tsx';
import { Reader } from './Reader.tsx';
import { addressed, hitKey, isBlank, isNarrowed, problemOf, speaker } from './search.ts';
import { NOTHING_ASKED } from './search.ts';
import type { Question } from './search.ts';
import { dateAndClock, visitorName } from './text.ts';

/** The names of days and months, which Ant Design leaves to its date library's own tables; it adds the rest. */
const CHINESE_DAYS = {
  lang: {
    shortWeekDays: Array.from('日一二三四五六'),
    shortMonths: Array.from({ length: 12 }, (_, at) => `${String(at + 1)}月`),
  },
} as NonNullable<TimeRangePickerProps['locale']>;

/** How long after the last change it is searched without Enter. */
const PAUSE_MS = 350;

interface HistoryProps {
  /** Kept outside, so that it is there again after a look at the desk. */
  question: Question;
  onAsk: (question: Question) => void;
  onOpen: (conversation: string) => void;
}

export default function History({ question, onAsk, onOpen }: HistoryProps): React.ReactElement {
  const { say } = useSurroundings();
  const [draft, setDraft] = useState(question);
  const [chosen, setChosen] = useState<Hit>();
  const list = useRef<HTMLDivElement>(null);
  const input = useRef<InputRef>(null);
  const composing = useRef(false);
  const asked = useRef(question);
  const search = useSearch(question);

  const ask = (next: Question): void => {
    asked.current = next;
    setDraft(next);
    onAsk(next);
  };
  /** For buttons that the answer takes away: the focus stays where one goes on. */
  const askAnew = (next: Question): void => {
    ask(next);
    requestAnimationFrame(() => input.current?.focus());
  };
  useEffect(() => {
    if (draft === asked.current) return;
    const timer = setTimeout(() => {
      if (composing.current) return; // Half a word of an input method; its end is a change, too.
      asked.current = draft;
      onAsk(draft);
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [draft, onAsk]);

  const rows = (): HTMLElement[] => [
    ...(list.current?.querySelectorAll<HTMLElement>('.row') ?? []),
  ];
  const back = (): void => {
    const key = chosen === undefined ? '' : hitKey(chosen);
    setChosen(undefined);
    // On a phone the list is there again only when this has been drawn.
    requestAnimationFrame(() => {
      rows()
        .find((row) => row.dataset.hit === key)
        ?.focus();
    });
  };
  const walk = (event: React.KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined || event.altKey) return;
    const all = rows();
    const next = all[all.indexOf(event.target as HTMLElement) + step];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  };

  return (
    <main
      className="history"
      data-reading={chosen !== undefined}
      onCompositionStart={() => {
        composing.current = true;
      }}
      onCompositionEnd={() => {
        composing.current = false;
        setDraft((old) => ({ ...old }));
      }}
    >
      <div className="finds">
        <form
          role="search"
          aria-label={say('history')}
          onSubmit={(event) => {
            event.preventDefault();
            ask({ ...draft });
          }}
        >
          <h1>{say('history')}</h1>
          <Input
            ref={input}
            autoFocus
            allowClear
            size="large"
            prefix={<SearchOutlined />}
            enterKeyHint="search"
            aria-label={say('searchFor')}
            placeholder={say('searchFor')}
            value={draft.text}
            onChange={(event) => {
              setDraft({ ...draft, text: event.target.value });
            }}
            onKeyDown={(event) => {
              if (event.key !== 'ArrowDown' || event.nativeEvent.isComposing) return;
              event.preventDefault();
              rows()[0]?.focus();
            }}
          />
          <Filters draft={draft} onChange={setDraft} />
          {/* With several fields, Enter submits only where there is a button for it. */}
          <button type="submit" hidden />
        </form>
        <div ref={list} className="list-body" aria-busy={search.busy} onKeyDown={walk}>
          <Hits
            question={question}
            search={search}
            chosen={chosen}
            onChoose={setChosen}
            onAsk={askAnew}
          />
        </div>
      </div>
      {chosen === undefined ? (
        <section className="talk talk-empty" aria-label={say('transcript')}>
          <Nothing title={say('emptyRead')} text={say('emptyReadText')} />
        </section>
      ) : (
        <Reader
          key={hitKey(chosen)}
          hit={chosen}
          onBack={back}
          onOpen={onOpen}
          onVisitor={(visitor) => {
            setChosen(undefined);
            askAnew({ ...draft, visitor });
          }}
        />
      )}
    </main>
  );
}

interface FiltersProps {
  draft: Question;
  onChange: (draft: Question) => void;
}

function Filters({ draft, onChange }: FiltersProps): React.ReactElement {
  const { say, language } = useSurroundings();
  const names = useAgentNames();
  return (
    <fieldset className="filters" aria-label={say('filters')}>
      <DatePicker.RangePicker
        allowEmpty={[true, true]}
        aria-label={say('searchDays')}
        classNames={{ popup: { root: 'days-popup' } }}
        value={draft.days ?? null}
        locale={language === 'zh' ? CHINESE_DAYS : undefined}
        onChange={(days) => {
          onChange({ ...draft, days: days?.some(Boolean) === true ? days : undefined });
        }}
      />
      <Input
        allowClear
        aria-label={say('visitorId')}
        placeholder={say('visitorId')}
        value={draft.visitor}
        onChange={(event) => {
          onChange({ ...draft, visitor: event.target.value });
        }}
      />
      <Select
        allowClear
        showSearch
        aria-label={say('saidByAgent')}
        placeholder={say('saidByAgent')}
        value={draft.agent ?? null}
        options={names.map((name) => ({ value: name, label: name }))}
        onChange={(agent: string | null | undefined) => {
          onChange({ ...draft, agent: agent ?? undefined });
        }}
      />
    </fieldset>
  );
}

/** Everybody who can have said something; those who are here now until the server has told the rest. */
function useAgentNames(): string[] {
  const desk = useDesk();
  const [names, setNames] = useState<string[]>();
  useEffect(() => {
    let stopped = false;
    desk.api.agents().then(
      ({ agents }) => {
        if (!stopped) setNames(agents.map((agent) => agent.name));
      },
      () => undefined, // Those who are here now are better than nothing.
    );
    return () => {
      stopped = true;
    };
  }, [desk]);
  return names ?? [...new Set([desk.login.name, ...desk.agent.colleagues.keys()])];
}

interface HitsProps {
  question: Question;
  search: Search;
  chosen: Hit | undefined;
  onChoose: (hit: Hit) => void;
  onAsk: (question: Question) => void;
}

function Hits({ question, search, chosen, onChoose, onAsk }: HitsProps): React.ReactElement {
  const desk = useDesk();
  const { say, language } = useSurroundings();
  const { hits, next, problem, busy } = search;
  const fresh = useRef<HTMLLIElement>(null);
  const firstNew = search.shown;
  useEffect(() => {
    // The button that was pressed may be gone; the first of what it brought has the focus.
    if (firstNew > 0) fresh.current?.querySelector('button')?.focus();
  }, [firstNew]);

  const alert = problem !== undefined && (
    <Alert
      type="error"
      showIcon
      className="find-problem"
      title={say('searchFailed')}
      description={problem}
      action={
        <Button
          size="small"
          onClick={() => {
            if (hits === undefined || next === undefined) onAsk({ ...question });
            else search.more();
          }}
        >
          {say('retry')}
        </Button>
      }
    />
  );
  if (isBlank(question)) return <Nothing title={say('emptyAsk')} text={say('emptyAskText')} />;
  if (hits === undefined) {
    if (!busy) return <>{alert}</>;
    return (
      <div role="status" aria-label={say('searching')}>
        {[0, 1, 2].map((row) => (
          <Skeleton key={row} active avatar paragraph={{ rows: 1 }} className="list-wait" />
        ))}
      </div>
    );
  }
  if (hits.length === 0) {
    return (
      <div role="status">
        <Nothing title={say('emptyFound')} text={say('emptyFoundText')}>
          {isNarrowed(question) ? (
            <Button
              type="primary"
              onClick={() => {
                onAsk({ ...NOTHING_ASKED, text: question.text });
              }}
            >
              {say('searchWider')}
            </Button>
          ) : (
            <Button
              loading={busy}
              onClick={() => {
                onAsk({ ...question });
              }}
            >
              {say('searchAgain')}
            </Button>
          )}
        </Nothing>
      </div>
    );
  }
  return (
    <>
      <p className="soft find-count" role="status">
        {say(next === undefined ? 'found' : 'foundMore', hits.length)}
      </p>
      <ul aria-label={say('results')}>
        {hits.map((hit, at) => {
          const name = visitorName(hit, hit.event.conversation, say);
          return (
            <li key={hitKey(hit)} ref={at === firstNew ? fresh : undefined}>
              <button
                type="button"
                className="row find"
                data-hit={hitKey(hit)}
                aria-current={chosen !== undefined && hitKey(chosen) === hitKey(hit)}
                onClick={() => {
                  onChoose(hit);
                }}
              >
                <Face name={name} anonymous={hit.name === ''} />
                <span className="row-words">
                  <span className="row-top">
                    <b>{name}</b>
                    {hit.vip && <Tag className="vip">{say('vip')}</Tag>}
                    <time dateTime={hit.event.at}>{dateAndClock(hit.event.at, language)}</time>
                  </span>
                  <span className="find-said">
                    <span className="soft">
                      {say(
                        hit.event.kind === 'note' ? 'noted' : 'said',
                        speaker(hit, desk.login.name, say),
                      )}
                    </span>
                    {hit.snippet.map((part, piece) =>
                      part.match === true ? (
                        <mark key={piece}>{part.text}</mark>
                      ) : (
                        <span key={piece}>{part.text}</span>
                      ),
                    )}
                  </span>
                </span>
              </button>
            </li>
          );
        })}
      </ul>
      {alert}
      {next !== undefined && problem === undefined && (
        <Button className="more" type="text" loading={busy} onClick={search.more}>
          {say('more')}
        </Button>
      )}
    </>
  );
}

interface Answer {
  question: Question;
  /** `undefined` when the server did not answer. */
  hits: readonly Hit[] | undefined;
  next: string | undefined;
  problem: string | undefined;
  /** How many were shown before the last page came. */
  shown: number;
}

interface Search extends Omit<Answer, 'question'> {
  busy: boolean;
  more: () => void;
}

/** The hits of a question; while a new one is asked, those of the last. */
function useSearch(question: Question): Search {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [answer, setAnswer] = useState<Answer>();
  const [adding, setAdding] = useState(false);

  useEffect(() => {
    if (isBlank(question)) return;
    let stopped = false;
    desk.api.search(addressed(question)).then(
      ({ hits, next }) => {
        if (stopped) return;
        setAnswer({ question, hits, next: next ?? undefined, problem: undefined, shown: 0 });
      },
      (error: unknown) => {
        if (stopped) return;
        const problem = problemOf(error, say);
        setAnswer({ question, hits: undefined, next: undefined, problem, shown: 0 });
      },
    );
    return () => {
      stopped = true;
    };
  }, [desk, question, say]);

  const more = async (): Promise<void> => {
    if (answer?.hits === undefined || answer.next === undefined || adding) return;
    const { hits: old } = answer;
    setAdding(true);
    // A new question that was asked meanwhile has the last word.
    const add = (change: Partial<Answer>): void => {
      setAnswer((now) => (now === answer ? { ...answer, ...change } : now));
    };
    try {
      const { hits, next } = await desk.api.search(addressed(answer.question, answer.next));
      add({
        hits: [...old, ...hits],
        next: next ?? undefined,
        problem: undefined,
        shown: old.length,
      });
    } catch (error) {
      add({ problem: problemOf(error, say) });
    } finally {
      setAdding(false);
    }
  };
  const { hits, next, problem, shown = 0 } = answer ?? {};
  return {
    hits,
    next,
    problem,
    shown,
    busy: adding || (!isBlank(question) && answer?.question !== question),
    more: () => void more(),
  };
}
