/** A supervisor's page: what agents say often, to add, change and remove. */

import { DeleteOutlined, EditOutlined, PlusOutlined } from '@ant-design/icons';
import { Alert, App, Button, Form, Input, Modal, Skeleton } from 'antd';
import { useEffect, useState } from 'react';
import type { Reply } from './api.ts';
import { useDesk, useSurroundings } from './context.ts';
import { Nothing } from './ConversationList.tsx';

/** As the server's limits are (docs/protocol/rest.md). */
const SHORTCUT_CHARACTERS_MAX = 32;
const SHORTCUT = /^[\p{Alphabetic}\p{N}._-]+$/u;

export default function Replies(): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const { message, modal } = App.useApp();
  const [replies, setReplies] = useState<Reply[]>();
  const [problem, setProblem] = useState<string>();
  const [editing, setEditing] = useState<Partial<Reply>>();
  const [round, setRound] = useState(0);

  useEffect(() => {
    desk.api.replies().then(
      (found) => {
        setReplies(found.replies);
        setProblem(undefined);
      },
      (error: unknown) => {
        setProblem(textOf(error));
      },
    );
  }, [desk, round]);

  const changed = (): void => {
    setRound((old) => old + 1);
    desk.loadReplies();
  };
  const remove = (shortcut: string): void => {
    modal.confirm({
      title: say('replyRemoveSure', `/${shortcut}`),
      okText: say('replyRemove'),
      okButtonProps: { danger: true },
      cancelText: say('cancel'),
      onOk: async () => {
        try {
          await desk.api.removeReply(shortcut);
        } catch (error) {
          message.error(textOf(error));
        }
        changed();
      },
    });
  };

  return (
    <main className="page">
      <header className="page-head">
        <div>
          <h1>{say('replies')}</h1>
          <p className="soft">{say('repliesText')}</p>
        </div>
        <Button
          type="primary"
          icon={<PlusOutlined />}
          onClick={() => {
            setEditing({});
          }}
        >
          {say('replyAdd')}
        </Button>
      </header>
      {problem !== undefined && <Alert type="error" showIcon title={say('loadFailed', problem)} />}
      {replies === undefined && problem === undefined && <Skeleton active />}
      {replies?.length === 0 && (
        <Nothing title={say('repliesNone')} text={say('repliesNoneText')} />
      )}
      <ul className="reply-cards">
        {replies?.map((reply) => (
          <li key={reply.shortcut}>
            <b>/{reply.shortcut}</b>
            <p>{reply.text}</p>
            <span className="reply-acts">
              <Button
                type="text"
                icon={<EditOutlined />}
                aria-label={say('replyEdit', `/${reply.shortcut}`)}
                onClick={() => {
                  setEditing(reply);
                }}
              />
              <Button
                type="text"
                danger
                icon={<DeleteOutlined />}
                aria-label={say('replyRemoveSure', `/${reply.shortcut}`)}
                onClick={() => {
                  remove(reply.shortcut);
                }}
              />
            </span>
          </li>
        ))}
      </ul>
      {editing !== undefined && (
        <EditReply
          reply={editing}
          onClose={(saved) => {
            setEditing(undefined);
            if (saved === undefined) return;
            message.success(say('saved', `/${saved}`));
            changed();
          }}
        />
      )}
    </main>
  );
}

interface EditReplyProps {
  /** One that is there, or nothing of a new one. */
  reply: Partial<Reply>;
  onClose: (saved: string | undefined) => void;
}

function EditReply({ reply, onClose }: EditReplyProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [form] = Form.useForm<Reply>();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const { shortcut } = reply;

  const save = async (wanted: Reply): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      await desk.api.putReply(wanted);
      onClose(wanted.shortcut);
    } catch (error) {
      setProblem(textOf(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Modal
      open
      title={shortcut === undefined ? say('replyAdd') : say('replyEdit', `/${shortcut}`)}
      okText={say('save')}
      cancelText={say('cancel')}
      confirmLoading={busy}
      onOk={form.submit}
      onCancel={() => {
        onClose(undefined);
      }}
    >
      {problem !== undefined && <Alert type="error" showIcon title={problem} />}
      <Form<Reply>
        form={form}
        layout="vertical"
        requiredMark={false}
        initialValues={{ shortcut, text: reply.text }}
        onFinish={(wanted) => void save(wanted)}
      >
        <Form.Item
          name="shortcut"
          label={say('replyShortcut')}
          rules={[{ required: true, pattern: SHORTCUT, message: say('replyShortcutHint') }]}
        >
          <Input
            prefix="/"
            autoComplete="off"
            maxLength={SHORTCUT_CHARACTERS_MAX}
            disabled={shortcut !== undefined}
          />
        </Form.Item>
        <Form.Item
          name="text"
          label={say('replyText')}
          extra={say('repliesText')}
          rules={[{ required: true, whitespace: true, message: say('required') }]}
        >
          <Input.TextArea autoSize={{ minRows: 4, maxRows: 12 }} maxLength={4096} />
        </Form.Item>
      </Form>
    </Modal>
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
