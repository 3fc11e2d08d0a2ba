/** Where an agent writes: a reply to the visitor, or a note that only the team sees. */

import { SendOutlined } from '@ant-design/icons';
import { Button, Input, Segmented } from 'antd';
import type { TextAreaRef } from 'antd/es/input/TextArea';
import { useEffect, useRef, useState } from 'react';
import { TEXT_BYTES_MAX, textBytes } from '@ringdesk/client';
import { useDesk, useSurroundings } from './context.ts';

/** What was begun in each conversation and not sent; lives as long as the page. */
const drafts = new Map<string, string>();

interface ComposerProps {
  id: string;
  note: boolean;
  onNote: (note: boolean) => void;
}

export function Composer({ id, note, onNote }: ComposerProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const [text, setText] = useState(() => drafts.get(id) ?? '');
  const input = useRef<TextAreaRef>(null);
  const over = textBytes(text.trim()) - TEXT_BYTES_MAX;
  const sendable = text.trim() !== '' && over <= 0;

  useEffect(() => {
    input.current?.focus();
  }, [note]);
  useEffect(() => {
    const toggle = (event: KeyboardEvent): void => {
      if (!event.altKey || event.code !== 'KeyN') return;
      event.preventDefault();
      onNote(!note);
    };
    addEventListener('keydown', toggle);
    return () => {
      removeEventListener('keydown', toggle);
    };
  }, [note, onNote]);

  const write = (value: string): void => {
    setText(value);
    if (value === '') drafts.delete(id);
    else drafts.set(id, value);
    if (!note && value.trim() !== '') desk.agent.typing(id);
  };
  const send = (): void => {
    if (!sendable) return;
    if (note) desk.agent.note(id, text.trim());
    else desk.agent.say(id, { kind: 'text', text: text.trim() });
    write('');
    input.current?.focus();
  };

  return (
    <form
      className={note ? 'composer composer-note' : 'composer'}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Input.TextArea
        ref={input}
        variant="borderless"
        autoSize={{ minRows: 2, maxRows: 8 }}
        value={text}
        aria-label={say(note ? 'note' : 'reply')}
        placeholder={say(note ? 'noteHint' : 'replyHint')}
        status={over > 0 ? 'error' : ''}
        onChange={(event) => {
          write(event.target.value);
        }}
        onKeyDown={(event) => {
          // 229 is what Safari says for the Enter that ends a composition.
          // eslint-disable-next-line @typescript-eslint/no-deprecated -- nothing newer tells it there
          const composing = event.nativeEvent.isComposing || event.keyCode === 229;
          if (event.key !== 'Enter' || event.shiftKey || composing) return;
          event.preventDefault();
          send();
        }}
      />
      <div className="composer-foot">
        <Segmented<boolean>
          size="small"
          value={note}
          onChange={onNote}
          options={[
            { value: false, label: say('reply') },
            { value: true, label: say('note') },
          ]}
        />
        {over > 0 && <span className="failed">{say('tooLong', over)}</span>}
        <Button type="primary" htmlType="submit" icon={<SendOutlined />} disabled={!sendable}>
          {say(note ? 'addNote' : 'send')}
        </Button>
      </div>
    </form>
  );
}
