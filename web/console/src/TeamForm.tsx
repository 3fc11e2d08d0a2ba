/** The form of one team: members, hours with holidays, what happens when it is too much. */

import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Alert, Button, Form, Input, InputNumber, Modal, Radio, Select } from 'antd';
import { useState } from 'react';
import { useDesk, useSurroundings } from './context.ts';
import { draftOf, FIRST_TEAM, SECONDS_MAX, settingsOf, WEEKDAYS } from './team.ts';
import type { TeamDraft, TeamSettings } from './team.ts';
import type { Language } from './words.ts';

const NAME = /^[\p{Alphabetic}\p{N}._@-]+$/u;
const NAME_CHARACTERS_MAX = 64;
/** As the server's limit is (docs/protocol/rest.md). */
const CAPACITY_MAX = 256;
const ZONES = Intl.supportedValuesOf('timeZone');
const OWN_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

interface TeamFormProps {
  /** One that is there, or a new one. */
  team: TeamSettings | undefined;
  people: readonly string[];
  /** The names of the other teams. */
  others: readonly string[];
  onClose: (saved: string | undefined) => void;
}

export function TeamForm({ team, people, others, onClose }: TeamFormProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [form] = Form.useForm<TeamDraft>();
  const [initial] = useState(() => draftOf(team, OWN_ZONE));
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);

  const save = async (filled: Partial<TeamDraft>): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      // Fields that are not in sight keep what they had.
      const wanted = settingsOf({ ...initial, ...filled });
      await desk.api.putTeam(wanted);
      onClose(wanted.name);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Modal
      open
      width={640}
      title={team === undefined ? say('teamAdd') : say('teamEdit', team.name)}
      okText={say('save')}
      cancelText={say('cancel')}
      confirmLoading={busy}
      onOk={form.submit}
      onCancel={() => {
        onClose(undefined);
      }}
    >
      <Form<TeamDraft>
        form={form}
        className="team-form"
        layout="vertical"
        requiredMark={false}
        initialValues={initial}
        onFinish={(filled) => void save(filled)}
      >
        {team === undefined && (
          <Form.Item
            name="name"
            label={say('teamName')}
            rules={[{ required: true, pattern: NAME, message: say('teamNameHint') }]}
          >
            <Input autoComplete="off" maxLength={NAME_CHARACTERS_MAX} />
          </Form.Item>
        )}
        <Members people={people} />
        <Hours />
        <h3>{say('teamOverflow')}</h3>
        <div className="team-numbers">
          <Form.Item name="overflow_after_s" label={say('teamOverflowAfter')}>
            <InputNumber min={0} max={SECONDS_MAX} precision={0} />
          </Form.Item>
          <Form.Item name="overflow_to" label={say('teamOverflowTo')}>
            <Select
              options={[
                { value: '', label: say('teamLeaveMessage') },
                ...[...new Set([...others, FIRST_TEAM])]
                  .filter((name) => name !== team?.name)
                  .map((value) => ({ value, label: value })),
              ]}
            />
          </Form.Item>
          <Form.Item name="accept_within_s" label={say('teamAccept')}>
            <InputNumber min={0} max={SECONDS_MAX} precision={0} />
          </Form.Item>
          <Form.Item name="prefer_last_agent_h" label={say('teamPrefer')}>
            <InputNumber min={0} max={SECONDS_MAX / 3_600} />
          </Form.Item>
        </div>
      </Form>
      {problem !== undefined && <Alert type="error" showIcon title={problem} />}
    </Modal>
  );
}

function Members({ people }: { people: readonly string[] }): React.ReactElement {
  const { say } = useSurroundings();
  const everybody = Form.useWatch<boolean | undefined>('everybody');
  return (
    <>
      <Form.Item name="everybody" label={say('teamWho')}>
        <Radio.Group
          options={[
            { value: true, label: say('teamEverybody') },
            { value: false, label: say('teamThese') },
          ]}
        />
      </Form.Item>
      {everybody === false && (
        <Form.List name="members">
          {(fields, { add, remove }) => (
            <div className="team-rows">
              {fields.map((field) => (
                <div key={field.key}>
                  <Form.Item
                    name={[field.name, 'agent']}
                    rules={[{ required: true, message: say('required') }]}
                  >
                    <Select
                      showSearch
                      aria-label={say('name')}
                      placeholder={say('name')}
                      options={people.map((value) => ({ value, label: value }))}
                    />
                  </Form.Item>
                  <Form.Item name={[field.name, 'capacity']}>
                    <InputNumber
                      min={1}
                      max={CAPACITY_MAX}
                      precision={0}
                      aria-label={say('teamCapacity')}
                      placeholder={say('teamCapacityOwn')}
                    />
                  </Form.Item>
                  <RemoveRow at={field.name} onRemove={remove} />
                </div>
              ))}
              <AddRow
                word="teamAddMember"
                onAdd={() => {
                  add({ capacity: null });
                }}
              />
            </div>
          )}
        </Form.List>
      )}
    </>
  );
}

function Hours(): React.ReactElement {
  const { say, language } = useSurroundings();
  const always = Form.useWatch<boolean | undefined>('always');
  return (
    <>
      <Form.Item name="always" label={say('teamHours')}>
        <Radio.Group
          options={[
            { value: true, label: say('teamAlways') },
            { value: false, label: say('teamByHours') },
          ]}
        />
      </Form.Item>
      {always === false && (
        <>
          <Form.Item name="zone" label={say('teamZone')}>
            <Select showSearch options={ZONES.map((value) => ({ value, label: value }))} />
          </Form.Item>
          <p className="soft">{say('teamPeriods')}</p>
          <div className="team-week">
            {WEEKDAYS.map((day, at) => (
              <Form.Item key={day} name={['week', day]} label={weekday(at, language)}>
                <Input autoComplete="off" />
              </Form.Item>
            ))}
          </div>
          <h3>{say('teamSpecial')}</h3>
          <p className="soft">{say('teamSpecialText')}</p>
          <Form.List name="special">
            {(fields, { add, remove }) => (
              <div className="team-rows">
                {fields.map((field) => (
                  <div key={field.key}>
                    <Form.Item
                      name={[field.name, 'date']}
                      rules={[
                        {
                          required: true,
                          pattern: /^\s*\d{4}-\d{2}-\d{2}\s*$/,
                          message: say('teamDate'),
                        },
                      ]}
                    >
                      <Input placeholder="2026-10-01" aria-label={say('teamDate')} />
                    </Form.Item>
                    <Form.Item name={[field.name, 'periods']}>
                      <Input placeholder={say('boardClosed')} aria-label={say('teamTimes')} />
                    </Form.Item>
                    <RemoveRow at={field.name} onRemove={remove} />
                  </div>
                ))}
                <AddRow
                  word="teamAddDay"
                  onAdd={() => {
                    add({ date: '', periods: '' });
                  }}
                />
              </div>
            )}
          </Form.List>
        </>
      )}
    </>
  );
}

/** The name of a day of the week, from Monday. */
function weekday(at: number, language: Language): string {
  // The first of January 2024 was a Monday.
  const day = new Date(Date.UTC(2024, 0, 1 + at));
  return day.toLocaleDateString(language === 'zh' ? 'zh-CN' : 'en', {
    weekday: 'long',
    timeZone: 'UTC',
  });
}

function RemoveRow(props: { at: number; onRemove: (at: number) => void }): React.ReactElement {
  const { say } = useSurroundings();
  return (
    <Button
      type="text"
      icon={<DeleteOutlined />}
      aria-label={say('replyRemove')}
      onClick={() => {
        props.onRemove(props.at);
      }}
    />
  );
}

function AddRow(props: {
  word: 'teamAddMember' | 'teamAddDay';
  onAdd: () => void;
}): React.ReactElement {
  const { say } = useSurroundings();
  return (
    <Button type="dashed" icon={<PlusOutlined />} onClick={props.onAdd}>
      {say(props.word)}
    </Button>
  );
}
