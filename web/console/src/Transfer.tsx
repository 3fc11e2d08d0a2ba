/** Chooses to whom a conversation goes: a colleague who is here, or a team; with a remark for whoever gets it. */

import { Input, Modal, Progress, Segmented } from 'antd';
import { useEffect, useState } from 'react';
import { useDesk, useSurroundings } from './context.ts';
import { Nothing } from './ConversationList.tsx';
import { Face } from './Face.tsx';
import { FIRST_TEAM } from './team.ts';
import type { TeamSettings } from './team.ts';

interface TransferProps {
  id: string;
  /** Which team it is for now. */
  team: string | undefined;
  open: boolean;
  onClose: () => void;
}

type To = { agent: string } | { team: string };

export function Transfer({ id, team, open, onClose }: TransferProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [kind, setKind] = useState<'agent' | 'team'>('agent');
  const [note, setNote] = useState('');

  useEffect(() => {
    if (!open) return;
    // Away while the window was open: nothing is chosen for somebody who has just gone.
    return desk.subscribe(() => {
      const served = desk.agent.served.get(id);
      if (served === undefined || !desk.isMine(served)) onClose();
    });
  }, [open, desk, id, onClose]);

  const give = (to: To): void => {
    desk.agent.transfer(id, to, note);
    setNote('');
    onClose();
  };
  return (
    <Modal open={open} onCancel={onClose} footer={null} title={say('transferTitle')} width={440}>
      <div className="transfer">
        <Segmented<'agent' | 'team'>
          block
          value={kind}
          onChange={setKind}
          options={[
            { value: 'agent', label: say('transferAgent') },
            { value: 'team', label: say('transferTeam') },
          ]}
        />
        <Input.TextArea
          autoSize={{ minRows: 1, maxRows: 4 }}
          value={note}
          aria-label={say('transferNote')}
          placeholder={say('transferNote')}
          onChange={(event) => {
            setNote(event.target.value);
          }}
        />
        {kind === 'agent' ? (
          <Colleagues onGive={give} />
        ) : (
          <TeamsToGive team={team ?? FIRST_TEAM} onGive={give} />
        )}
      </div>
    </Modal>
  );
}

function Colleagues({ onGive }: { onGive: (to: To) => void }): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const colleagues = [...desk.agent.colleagues.values()]
    .filter((one) => one.agent !== desk.login.name)
    .sort((a, b) => a.serving / a.capacity - b.serving / b.capacity);
  if (colleagues.length === 0) return <Nothing title={say('transferNobody')} text="" />;
  return (
    <ul className="colleagues">
      {colleagues.map((one) => {
        const free = one.state === 'ready' && one.serving < one.capacity;
        return (
          <li key={one.agent}>
            <button
              type="button"
              disabled={!free}
              onClick={() => {
                onGive({ agent: one.agent });
              }}
            >
              <Face name={one.agent} size={36} />
              <span className="colleague-words">
                <b>{one.agent}</b>
                <small className="soft">
                  {one.state === 'away'
                    ? say('away')
                    : say('transferLoad', one.serving, one.capacity)}
                  {one.state === 'ready' && !free && ` · ${say('transferFull')}`}
                </small>
              </span>
              <Progress
                type="circle"
                size={32}
                percent={Math.round((100 * one.serving) / Math.max(1, one.capacity))}
                format={() => one.serving}
              />
            </button>
          </li>
        );
      })}
    </ul>
  );
}

interface TeamsToGiveProps {
  team: string;
  onGive: (to: To) => void;
}

/** The other teams; whether one is open now, the server knows and says. */
function TeamsToGive({ team, onGive }: TeamsToGiveProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [teams, setTeams] = useState<TeamSettings[]>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    desk.api.teams().then(
      (found) => {
        setTeams(found.teams);
      },
      (error: unknown) => {
        setProblem(error instanceof Error ? error.message : String(error));
      },
    );
  }, [desk]);
  if (problem !== undefined) return <p className="failed">{say('loadFailed', problem)}</p>;
  const others = teams?.filter(({ name }) => name !== team) ?? [];
  if (teams !== undefined && others.length === 0) {
    return <Nothing title={say('transferNoTeam')} text="" />;
  }
  return (
    <ul className="colleagues">
      {others.map(({ name, members }) => (
        <li key={name}>
          <button
            type="button"
            data-team={name}
            onClick={() => {
              onGive({ team: name });
            }}
          >
            <Face name={name} size={36} />
            <span className="colleague-words">
              <b>{name}</b>
              <small className="soft">
                {members === undefined ? say('teamEverybody') : say('teamMembers', members.length)}
              </small>
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
