/** An administrator's page: who may log in, who is here, adding people; and the teams beside them. */

import { PlusOutlined } from '@ant-design/icons';
import { Alert, App, Badge, Button, Form, Input, Modal, Radio, Segmented, Table, Tag } from 'antd';
import { useEffect, useState } from 'react';
import type { Account, AgentRole } from './api.ts';
import { useDesk, useSurroundings } from './context.ts';
import { Face } from './Face.tsx';
import { Teams } from './Teams.tsx';
import type { Word } from './words.ts';

const ROLE_WORDS: Record<AgentRole, [Word, Word]> = {
  agent: ['roleAgent', 'roleAgentText'],
  supervisor: ['roleSupervisor', 'roleSupervisorText'],
  admin: ['roleAdmin', 'roleAdminText'],
};
const PRESENCE_COLORS = { ready: '#22c55e', away: '#f59e0b', gone: '#9ca3af' };

export default function Team(): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [accounts, setAccounts] = useState<Account[]>();
  const [problem, setProblem] = useState<string>();
  const [adding, setAdding] = useState(false);
  const [round, setRound] = useState(0);
  const [view, setView] = useState<'people' | 'teams'>('people');

  useEffect(() => {
    desk.api.agents().then(
      ({ agents }) => {
        setAccounts(agents);
        setProblem(undefined);
      },
      (error: unknown) => {
        setProblem(error instanceof Error ? error.message : String(error));
      },
    );
  }, [desk, round]);

  const views = (
    <Segmented<'people' | 'teams'>
      className="page-views"
      value={view}
      onChange={setView}
      options={(['people', 'teams'] as const).map((value) => ({ value, label: say(value) }))}
    />
  );
  if (view === 'teams') {
    return (
      <main className="page">
        {views}
        <Teams people={(accounts ?? []).map(({ name }) => name)} />
      </main>
    );
  }
  return (
    <main className="page">
      {views}
      <header className="page-head">
        <div>
          <h1>{say('agents')}</h1>
          <p className="soft">{say('agentsText')}</p>
        </div>
        <Button
          type="primary"
          icon={<PlusOutlined />}
          onClick={() => {
            setAdding(true);
          }}
        >
          {say('addAgent')}
        </Button>
      </header>
      {problem !== undefined && <Alert type="error" showIcon title={say('loadFailed', problem)} />}
      <Table<Account>
        rowKey="name"
        loading={accounts === undefined && problem === undefined}
        dataSource={accounts ?? []}
        pagination={{ pageSize: 50, hideOnSinglePage: true }}
        scroll={{ x: 'max-content' }}
        columns={[
          {
            title: say('name'),
            render: (_, account) => (
              <span className="table-person">
                <Face name={account.name} size={32} /> {account.name}
              </span>
            ),
          },
          {
            title: say('role'),
            render: (_, account) => <Tag>{say(ROLE_WORDS[account.role][0])}</Tag>,
          },
          {
            title: say('presence'),
            render: (_, account) => {
              const state = desk.agent.colleagues.get(account.name)?.state ?? 'gone';
              return <Badge color={PRESENCE_COLORS[state]} text={say(state)} />;
            },
          },
          {
            title: say('load'),
            render: (_, account) => {
              const here = desk.agent.colleagues.get(account.name);
              return here === undefined
                ? '–'
                : `${String(here.serving)} / ${String(here.capacity)}`;
            },
          },
        ]}
      />
      <AddPerson
        open={adding}
        onClose={(added) => {
          setAdding(false);
          if (added) setRound((old) => old + 1);
        }}
      />
    </main>
  );
}

interface NewPerson {
  name: string;
  password: string;
  role: AgentRole;
}

interface AddPersonProps {
  open: boolean;
  onClose: (added: boolean) => void;
}

function AddPerson({ open, onClose }: AddPersonProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const { message } = App.useApp();
  const [form] = Form.useForm<NewPerson>();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);

  const add = async ({ name, role, password }: NewPerson): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      await desk.api.addAgent(name, role, password);
      message.success(say('added', name));
      form.resetFields();
      onClose(true);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Modal
      open={open}
      title={say('addAgent')}
      okText={say('add')}
      cancelText={say('cancel')}
      confirmLoading={busy}
      onOk={form.submit}
      onCancel={() => {
        onClose(false);
      }}
    >
      {problem !== undefined && <Alert type="error" showIcon title={problem} />}
      <Form<NewPerson>
        form={form}
        layout="vertical"
        requiredMark={false}
        initialValues={{ role: 'agent' }}
        onFinish={(person) => void add(person)}
      >
        <Form.Item
          name="name"
          label={say('name')}
          rules={[{ required: true, message: say('required') }]}
        >
          <Input autoComplete="off" maxLength={64} />
        </Form.Item>
        <Form.Item
          name="password"
          label={say('password')}
          rules={[{ required: true, min: 8, message: say('passwordShort') }]}
        >
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <Form.Item name="role" label={say('role')}>
          <Radio.Group className="roles">
            {(['agent', 'supervisor', 'admin'] as const).map((role) => (
              <Radio key={role} value={role}>
                {say(ROLE_WORDS[role][0])} <span className="soft">{say(ROLE_WORDS[role][1])}</span>
              </Radio>
            ))}
          </Radio.Group>
        </Form.Item>
      </Form>
    </Modal>
  );
}
