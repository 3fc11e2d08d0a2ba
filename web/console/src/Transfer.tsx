/** Chooses the colleague to whom a conversation goes: who is here, and how busy each is. */

import { Modal, Progress } from 'antd';
import { useEffect } from 'react';
import { useDesk, useSurroundings } from './context.ts';
import { Nothing } from './ConversationList.tsx';
import { Face } from './Face.tsx';

interface TransferProps {
  id: string;
  open: boolean;
  onClose: () => void;
}

export function Transfer({ id, open, onClose }: TransferProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const colleagues = [...desk.agent.colleagues.values()]
    .filter((one) => one.agent !== desk.login.name)
    .sort((a, b) => a.serving / a.capacity - b.serving / b.capacity);

  useEffect(() => {
    if (!open) return;
    // Away while the window was open: nothing is chosen for somebody who has just gone.
    return desk.subscribe(() => {
      if (!desk.agent.served.has(id)) onClose();
    });
  }, [open, desk, id, onClose]);

  return (
    <Modal open={open} onCancel={onClose} footer={null} title={say('transferTitle')} width={440}>
      {colleagues.length === 0 ? (
        <Nothing title={say('transferNobody')} text="" />
      ) : (
        <ul className="colleagues">
          {colleagues.map((one) => {
            const free = one.state === 'ready' && one.serving < one.capacity;
            return (
              <li key={one.agent}>
                <button
                  type="button"
                  disabled={!free}
                  onClick={() => {
                    desk.agent.transfer(id, one.agent);
                    onClose();
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
      )}
    </Modal>
  );
}
