/** The teams of the desk as cards, to add, change and remove. */

import { DeleteOutlined, EditOutlined, PlusOutlined } from '@ant-design/icons';
import { Alert, App, Button, Skeleton, Tag } from 'antd';
import { useEffect, useState } from 'react';
import { useDesk, useSurroundings } from './context.ts';
import { FIRST_TEAM } from './team.ts';
import type { TeamSettings } from './team.ts';
import { TeamForm } from './TeamForm.tsx';
import { duration } from './text.ts';

interface TeamsProps {
  /** Who may be a member. */
  people: readonly string[];
}

export function Teams({ people }: TeamsProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const { message, modal } = App.useApp();
  const [teams, setTeams] = useState<TeamSettings[]>();
  const [problem, setProblem] = useState<string>();
  const [editing, setEditing] = useState<{ team: TeamSettings | undefined }>();
  const [round, setRound] = useState(0);

  useEffect(() => {
    desk.api.teams().then(
      (found) => {
        setTeams(found.teams);
        setProblem(undefined);
      },
      (error: unknown) => {
        setProblem(error instanceof Error ? error.message : String(error));
      },
    );
  }, [desk, round]);

  const remove = (name: string): void => {
    modal.confirm({
      title: say('teamRemove', name),
      content: say('teamRemoveText'),
      okText: say('replyRemove'),
      okButtonProps: { danger: true },
      cancelText: say('cancel'),
      onOk: async () => {
        try {
          await desk.api.removeTeam(name);
        } catch (error) {
          message.error(error instanceof Error ? error.message : String(error));
        }
        setRound((old) => old + 1);
      },
    });
  };

  return (
    <>
      <header className="page-head">
        <div>
          <h1>{say('teams')}</h1>
          <p className="soft">{say('teamsText')}</p>
        </div>
        <Button
          type="primary"
          icon={<PlusOutlined />}
          onClick={() => {
            setEditing({ team: undefined });
          }}
        >
          {say('teamAdd')}
        </Button>
      </header>
      {problem !== undefined && <Alert type="error" showIcon title={say('loadFailed', problem)} />}
      {teams === undefined && problem === undefined && <Skeleton active />}
      <ul className="reply-cards">
        {teams?.map((team) => (
          <li key={team.name} data-team={team.name}>
            <b>{team.name}</b>
            <TeamLines team={team} />
            <span>
              <Button
                type="text"
                icon={<EditOutlined />}
                aria-label={say('teamEdit', team.name)}
                onClick={() => {
                  setEditing({ team });
                }}
              />
              <Button
                type="text"
                danger
                icon={<DeleteOutlined />}
                aria-label={say('teamRemove', team.name)}
                disabled={team.name === FIRST_TEAM}
                onClick={() => {
                  remove(team.name);
                }}
              />
            </span>
          </li>
        ))}
      </ul>
      {editing !== undefined && (
        <TeamForm
          team={editing.team}
          people={people}
          others={(teams ?? [])
            .map(({ name }) => name)
            .filter((name) => name !== editing.team?.name)}
          onClose={(saved) => {
            setEditing(undefined);
            if (saved === undefined) return;
            message.success(say('saved', saved));
            setRound((old) => old + 1);
          }}
        />
      )}
    </>
  );
}

/** What is special about a team, in a few words. */
function TeamLines({ team }: { team: TeamSettings }): React.ReactElement {
  const { say } = useSurroundings();
  const { members, hours, overflow_after_s, overflow_to, accept_within_s } = team;
  const to = overflow_to ?? say('teamLeaveMessage');
  return (
    <p className="team-lines">
      <span>
        {members === undefined
          ? say('teamEverybody')
          : members.map(({ agent }) => agent).join(', ')}
      </span>
      <Tag>{hours === undefined ? say('teamAlways') : `${say('teamByHours')} · ${hours.zone}`}</Tag>
      {overflow_after_s > 0 && (
        <Tag>{say('teamOverflowLine', duration(overflow_after_s * 1_000, say), to)}</Tag>
      )}
      {accept_within_s > 0 && (
        <Tag>
          {say('accept')} · {duration(accept_within_s * 1_000, say)}
        </Tag>
      )}
    </p>
  );
}
