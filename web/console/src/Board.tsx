/** The supervisors' board: who waits where, who is how busy, how fast it is, and what is given up. Live. */

import { Alert, Spin, Tag, Tooltip } from 'antd';
import { useEffect, useState } from 'react';
import { byLoad, refusals, STEPS } from './board.ts';
import type { AgentBoard, Board as Seen, TeamBoard, VisitorClass, Waiting } from './board.ts';
import { BoardChart } from './BoardChart.tsx';
import { useDesk, useSurroundings } from './context.ts';
import type { Desk } from './desk.ts';
import { Face } from './Face.tsx';
import { dateAndClock, duration, precise } from './text.ts';

/** How often the server is asked while somebody looks. */
const ASK_MS = 2_000;
const CLASSES: readonly VisitorClass[] = ['vip', 'normal'];
const REASON_WORDS = {
  overloaded: 'refusedOverloaded',
  journal_full: 'refusedJournalFull',
  unavailable: 'refusedUnavailable',
} as const;

interface BoardProps {
  /** Shows the waiting at the desk. */
  onWaiting: () => void;
  /** Shows what an agent has. */
  onAgent: (name: string) => void;
}

export default function Board({ onWaiting, onAgent }: BoardProps): React.ReactElement {
  const desk = useDesk();
  const { say, language } = useSurroundings();
  const { seen, problem } = useBoard(desk);
  if (seen === undefined) {
    return (
      <main className="page board">
        {problem === undefined ? (
          <Spin className="page-wait" />
        ) : (
          <Alert type="error" showIcon title={say('loadFailed', problem)} />
        )}
      </main>
    );
  }
  const at = new Date(seen.at).toLocaleTimeString(language === 'zh' ? 'zh-CN' : 'en', {
    hourCycle: 'h23',
  });
  return (
    <main className="page board">
      <header className="page-head">
        <div>
          <h1>{say('board')}</h1>
          <p className="soft">
            {say('boardText')} {say('boardAt', at)}
          </p>
        </div>
      </header>
      {problem !== undefined && (
        <Alert type="warning" showIcon title={say('boardStale', problem)} />
      )}
      <section aria-labelledby="board-waiting">
        <h2 id="board-waiting">{say('boardWaiting')}</h2>
        <ul className="tiles">
          {seen.teams.map((team) => (
            <TeamTile key={team.name} team={team} onShow={onWaiting} />
          ))}
        </ul>
      </section>
      <section aria-label={say('boardMessages')}>
        <Numbers seen={seen} />
        <div className="board-charts">
          <BoardChart title={say('chartP50')} points={seen.points} which={0} />
          <BoardChart title={say('chartP99')} points={seen.points} which={1} />
        </div>
      </section>
      <div className="board-sides">
        <Agents agents={seen.agents} onAgent={onAgent} />
        <Ladder shedding={seen.shedding} />
      </div>
    </main>
  );
}

/** What the server said last, asked for again as long as the page is in sight. */
function useBoard(desk: Desk): { seen: Seen | undefined; problem: string | undefined } {
  const [seen, setSeen] = useState<Seen>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    let stopped = false;
    let asking = false;
    const ask = async (): Promise<void> => {
      if (asking || document.visibilityState !== 'visible') return;
      asking = true;
      try {
        const board = await desk.api.board();
        if (stopped) return;
        setSeen(board);
        setProblem(undefined);
      } catch (error) {
        if (!stopped) setProblem(error instanceof Error ? error.message : String(error));
      } finally {
        asking = false;
      }
    };
    const look = (): void => void ask();
    look();
    const timer = setInterval(look, ASK_MS);
    document.addEventListener('visibilitychange', look);
    return () => {
      stopped = true;
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, [desk]);
  return { seen, problem };
}

interface TeamTileProps {
  team: TeamBoard;
  onShow: () => void;
}

function TeamTile({ team, onShow }: TeamTileProps): React.ReactElement {
  const { say, language } = useSurroundings();
  const closed =
    team.opens_at === null
      ? say('boardClosed')
      : say('boardOpensAt', dateAndClock(team.opens_at, language));
  return (
    <li>
      <button
        type="button"
        className="board-tile"
        data-team={team.name}
        title={say('boardShow')}
        onClick={onShow}
      >
        <span className="board-tile-head">
          <b>{team.name}</b>
          <Tag color={team.open ? 'green' : 'default'}>{team.open ? say('boardOpen') : closed}</Tag>
        </span>
        <span className="board-classes">
          {CLASSES.map((kind) => (
            <WaitingOf key={kind} kind={kind} waiting={team.waiting[kind]} />
          ))}
        </span>
      </button>
    </li>
  );
}

interface WaitingOfProps {
  kind: VisitorClass;
  waiting: Waiting;
}

function WaitingOf({ kind, waiting }: WaitingOfProps): React.ReactElement {
  const { say } = useSurroundings();
  return (
    <span className="board-class" data-class={kind} data-some={waiting.count > 0}>
      {kind === 'vip' ? (
        <Tag className="vip">{say('vip')}</Tag>
      ) : (
        <span className="soft">{say('normal')}</span>
      )}
      <strong>{waiting.count}</strong>
      <small className="soft">
        {waiting.oldest_ms === null
          ? say('boardNobody')
          : say('boardOldest', duration(waiting.oldest_ms, say))}
      </small>
    </span>
  );
}

function Numbers({ seen }: { seen: Seen }): React.ReactElement {
  const { say } = useSurroundings();
  const { vip, normal, agent } = seen.messages;
  const refused = refusals(seen.refused);
  const rate = (value: number): string =>
    say('boardPerSecond', value < 10 ? value.toFixed(1) : Math.round(value));
  return (
    <dl className="board-numbers">
      <div>
        <dt>{say('boardMessages')}</dt>
        <dd>
          <strong>{rate(vip.per_second + normal.per_second)}</strong>{' '}
          <span className="soft">{say('boardByVisitors')}</span>
        </dd>
        <dd>
          <strong>{rate(agent.per_second)}</strong>{' '}
          <span className="soft">{say('boardByAgents')}</span>
        </dd>
      </div>
      <div>
        <dt>
          {say('boardTook')} <small className="soft">{say('boardTookText')}</small>
        </dt>
        {CLASSES.map((kind) => (
          <dd key={kind}>
            <strong>{precise(seen.messages[kind].p99_ms, say)}</strong>{' '}
            <span className="soft">{say(kind)}</span>
          </dd>
        ))}
      </div>
      <div>
        <dt>
          {say('boardRefused')} <small className="soft">{say('boardRefusedText')}</small>
        </dt>
        {refused.length === 0 ? (
          <dd className="soft">{say('boardRefusedNone')}</dd>
        ) : (
          refused.map(([reason, count]) => (
            <dd key={reason} className="failed">
              <strong>{count}</strong> {say(REASON_WORDS[reason])}
            </dd>
          ))
        )}
      </div>
    </dl>
  );
}

interface AgentsProps {
  agents: readonly AgentBoard[];
  onAgent: (name: string) => void;
}

function Agents({ agents, onAgent }: AgentsProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  // The socket tells of colleagues sooner than the next question does.
  const live = agents.map((one) => ({ ...one, ...presenceOf(desk, one.name) }));
  return (
    <section aria-labelledby="board-agents">
      <h2 id="board-agents">{say('boardAgents')}</h2>
      {agents.length === 0 ? (
        <p className="soft">{say('boardNoAgents')}</p>
      ) : (
        <table className="board-agents">
          <thead>
            <tr>
              <th scope="col">{say('name')}</th>
              <th scope="col">{say('presence')}</th>
              <th scope="col">{say('load')}</th>
            </tr>
          </thead>
          <tbody>
            {byLoad(live).map((agent) => (
              <AgentRow key={agent.name} agent={agent} onShow={onAgent} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function presenceOf(
  desk: Desk,
  name: string,
): Partial<Pick<AgentBoard, 'state' | 'serving' | 'capacity'>> {
  const here = desk.agent.colleagues.get(name);
  if (here === undefined || here.state === 'gone') return {};
  return { state: here.state, serving: here.serving, capacity: here.capacity };
}

interface AgentRowProps {
  agent: AgentBoard;
  onShow: (name: string) => void;
}

function AgentRow({ agent, onShow }: AgentRowProps): React.ReactElement {
  const { say } = useSurroundings();
  const { name, state, serving, capacity, teams } = agent;
  return (
    <tr data-agent={name}>
      <th scope="row">
        <Tooltip title={say('boardAgentShow', name)}>
          <button
            type="button"
            className="board-agent"
            aria-label={say('boardAgentShow', name)}
            onClick={() => {
              onShow(name);
            }}
          >
            <Face name={name} size={32} />
            <span>
              <b>{name}</b>
              <small className="soft">{teams.join(' · ')}</small>
            </span>
          </button>
        </Tooltip>
      </th>
      <td>
        <span className="board-state" data-state={state}>
          {say(state)}
        </span>
      </td>
      <td>
        <span className="board-load">
          <span
            className="board-meter"
            role="meter"
            aria-label={say('load')}
            aria-valuemin={0}
            aria-valuemax={capacity}
            aria-valuenow={serving}
          >
            <span style={{ width: `${String(Math.min(100, (100 * serving) / capacity))}%` }} />
          </span>
          <span>{say('boardLoad', serving, capacity)}</span>
        </span>
      </td>
    </tr>
  );
}

function Ladder({ shedding }: Pick<Seen, 'shedding'>): React.ReactElement {
  const { say } = useSurroundings();
  const all = Object.values(shedding.shards).reduce((sum, shards) => sum + shards, 0);
  const at = STEPS.findIndex(([step]) => step === shedding.step);
  return (
    <section aria-labelledby="board-shedding">
      <h2 id="board-shedding">{say('boardShedding')}</h2>
      <p className="soft">{say('boardSheddingText')}</p>
      <ol className="ladder">
        {STEPS.map(([step, word], index) => (
          <li
            key={step}
            aria-current={step === shedding.step ? 'step' : undefined}
            data-step={step}
            data-given-up={index > 0 && index <= at}
          >
            <span>{say(word)}</span>
            {step === shedding.step && <Tag>{say('stepNow')}</Tag>}
            {shedding.shards[step] > 0 && (
              <small className="soft">{say('stepShards', shedding.shards[step], all)}</small>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}
