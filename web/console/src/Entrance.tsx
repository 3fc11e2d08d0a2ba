/** The two pages before the desk: log in, and the first administrator's set-up. */

import { GlobalOutlined, LockOutlined, UserOutlined } from '@ant-design/icons';
import { Alert, Button, Form, Input } from 'antd';
import { useEffect, useState } from 'react';
import { ApiError, login, setUp, setupNeeded } from './api.ts';
import type { Login } from './api.ts';
import { useSurroundings } from './context.ts';
import type { Say } from './words.ts';

const PASSWORD_LETTERS_MIN = 8;

interface Fields {
  name: string;
  password: string;
  again?: string;
}

interface EntranceProps {
  /** The token of a set-up link, when the page was opened by one. */
  setup: string | undefined;
  expired: boolean;
  onEnter: (login: Login) => void;
}

export function Entrance({ setup, expired, onEnter }: EntranceProps): React.ReactElement {
  const { say, language, prefer } = useSurroundings();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [hint, setHint] = useState<string>();
  const first = setup !== undefined;

  useEffect(() => {
    if (first) return;
    setupNeeded().then(
      ({ needed }) => {
        if (needed) setHint(say('setupNeeded'));
      },
      () => undefined, // Logging in will say what is wrong.
    );
  }, [first, say]);

  const submit = async ({ name, password }: Fields): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      onEnter(first ? await setUp(setup, name, password) : await login(name, password));
    } catch (error) {
      setProblem(explain(error, first, say));
    } finally {
      setBusy(false);
    }
  };

  return (
    <div className="entrance">
      <main>
        <div className="brand">
          <img src="/console/icon.svg" alt="" />
          <span>ringdesk</span>
        </div>
        <h1>{say(first ? 'setupTitle' : 'loginTitle')}</h1>
        <p className="soft">{say(first ? 'setupText' : 'loginText')}</p>
        {expired && problem === undefined && <Alert type="info" showIcon title={say('expired')} />}
        {hint !== undefined && <Alert type="info" showIcon title={hint} />}
        {problem !== undefined && <Alert type="error" showIcon title={problem} role="alert" />}
        <Form<Fields>
          layout="vertical"
          size="large"
          requiredMark={false}
          onFinish={(fields) => void submit(fields)}
        >
          <Form.Item
            name="name"
            label={say('name')}
            rules={[{ required: true, message: say('required') }]}
          >
            <Input prefix={<UserOutlined />} autoComplete="username" autoFocus maxLength={64} />
          </Form.Item>
          <Form.Item
            name="password"
            label={say('password')}
            rules={[
              { required: true, message: say('required') },
              ...(first ? [{ min: PASSWORD_LETTERS_MIN, message: say('passwordShort') }] : []),
            ]}
          >
            <Input.Password
              prefix={<LockOutlined />}
              autoComplete={first ? 'new-password' : 'current-password'}
            />
          </Form.Item>
          {first && (
            <Form.Item
              name="again"
              label={say('passwordAgain')}
              dependencies={['password']}
              rules={[
                ({ getFieldValue }) => ({
                  validator: (_, value) =>
                    value === getFieldValue('password')
                      ? Promise.resolve()
                      : Promise.reject(new Error(say('passwordDiffers'))),
                }),
              ]}
            >
              <Input.Password prefix={<LockOutlined />} autoComplete="new-password" />
            </Form.Item>
          )}
          <Button type="primary" htmlType="submit" block loading={busy}>
            {say(first ? 'setupDone' : 'login')}
          </Button>
        </Form>
      </main>
      <Button
        className="entrance-language"
        type="text"
        icon={<GlobalOutlined />}
        onClick={() => {
          prefer({ language: language === 'zh' ? 'en' : 'zh' });
        }}
      >
        {language === 'zh' ? 'English' : '中文'}
      </Button>
    </div>
  );
}

function explain(error: unknown, first: boolean, say: Say): string {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 0) return say('unreachable');
  if (error.status === 429) return say('tooMany', Math.max(1, error.retryAfter_s));
  if (!first && error.status === 401) return say('wrongPassword');
  if (first && [401, 403, 404, 409, 410].includes(error.status)) return say('setupBad');
  return error.message;
}
