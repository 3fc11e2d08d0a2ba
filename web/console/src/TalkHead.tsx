/** The head of a conversation: who it is with, and what can be done with it as a whole. */

import {
  ArrowLeftOutlined,
  CloseCircleOutlined,
  EyeOutlined,
  InfoCircleOutlined,
  RollbackOutlined,
  SwapOutlined,
} from '@ant-design/icons';
import { App, Button, Tag, Tooltip } from 'antd';
import { useState } from 'react';
import type { Summary } from './api.ts';
import { useDesk, useSurroundings } from './context.ts';
import { Face } from './Face.tsx';
import { Transfer } from './Transfer.tsx';

interface TalkHeadProps {
  id: string;
  name: string;
  summary: Summary | undefined;
  mine: boolean;
  /** The visitor still waits for an answer, and nothing below asks whether it is accepted. */
  returnable: boolean;
  onBack: () => void;
  onDetails: () => void;
}

export function TalkHead(props: TalkHeadProps): React.ReactElement {
  const { id, name, summary, mine, returnable, onBack, onDetails } = props;
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
        {desk.agent.watching.has(id) ? (
          <small className="watching" role="status">
            <EyeOutlined /> {say('watching')}
          </small>
        ) : (
          <small className="soft">{summary?.page}</small>
        )}
      </div>
      {mine && returnable && (
        <Tooltip title={`${say('declineText')} · Alt+B`}>
          <Button
            icon={<RollbackOutlined />}
            data-action="decline"
            aria-label={say('decline')}
            onClick={() => {
              desk.agent.decline(id);
            }}
          >
            <span className="not-phone">{say('decline')}</span>
          </Button>
        </Tooltip>
      )}
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
        team={summary?.team}
        open={transfer}
        onClose={() => {
          setTransfer(false);
        }}
      />
    </header>
  );
}
