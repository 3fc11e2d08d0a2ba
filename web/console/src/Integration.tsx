/** An administrator's page: the tag for the shop, and how the shop says who is logged in. */

import { Alert, Button, Card, Tabs, Typography } from 'antd';
import { useState } from 'react';
import { useDesk, useSurroundings } from './context.ts';
import { SAMPLES } from './samples.ts';

export default function Integration(): React.ReactElement {
  const { say } = useSurroundings();
  const tag = `<script src="${location.origin}/widget.js" defer data-site="default"></script>`;
  return (
    <main className="page">
      <header className="page-head">
        <div>
          <h1>{say('integration')}</h1>
          <p className="soft">{say('integrationText')}</p>
        </div>
      </header>
      <Card
        title={say('tagTitle')}
        extra={
          <a href="/demo" target="_blank">
            {say('demoLink')}
          </a>
        }
      >
        <p className="soft">{say('tagText')}</p>
        <Code text={tag} />
      </Card>
      <Card title={say('identityTitle')}>
        <p className="soft">{say('identityText')}</p>
        <Secret />
        <p className="soft">{say('claims')}</p>
        <Tabs
          items={Object.entries(SAMPLES).map(([name, code]) => ({
            key: name,
            label: name,
            children: <Code text={code} />,
          }))}
        />
        <Code text={tag.replace('></script>', ' data-token="…"></script>')} />
      </Card>
    </main>
  );
}

function Secret(): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [secret, setSecret] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const reveal = async (): Promise<void> => {
    try {
      setSecret((await desk.api.identity()).secret);
      setProblem(undefined);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <div className="secret">
      <b>{say('secret')}</b>
      <div className="secret-line">
        {secret === undefined ? (
          <code>{'•'.repeat(32)}</code>
        ) : (
          <Typography.Text code copyable>
            {secret}
          </Typography.Text>
        )}
        <Button
          size="small"
          onClick={() => {
            if (secret === undefined) void reveal();
            else setSecret(undefined);
          }}
        >
          {say(secret === undefined ? 'reveal' : 'hide')}
        </Button>
      </div>
      <small className="soft">{say('secretText')}</small>
      {problem !== undefined && <Alert type="error" showIcon title={say('loadFailed', problem)} />}
    </div>
  );
}

function Code({ text }: { text: string }): React.ReactElement {
  const { say } = useSurroundings();
  return (
    <div className="code">
      <pre>
        <code>{text}</code>
      </pre>
      <Typography.Text copyable={{ text, tooltips: [say('copy'), say('copied')] }} />
    </div>
  );
}
