/** Where an agent writes: a reply to the visitor, a note that only the team sees, or a supervisor's whisper. */

import { SendOutlined, ThunderboltOutlined } from '@ant-design/icons';
import { Button, Input, Segmented, Tooltip } from 'antd';
import type { TextAreaRef } from 'antd/es/input/TextArea';
import { useEffect, useRef, useState } from 'react';
import { TEXT_BYTES_MAX, textBytes } from '@ringdesk/client';
import { useDesk, useSurroundings } from './context.ts';
import { filled } from './replies.ts';
import { useReplies } from './ReplyList.tsx';

/** What was begun in each conversation and not sent; lives as long as the page. */
const drafts = new Map<string, string>();

const WORDS = {
  reply: { label: 'reply', hint: 'replyHint', send: 'send' },
  note: { label: 'note', hint: 'noteHint', send: 'addNote' },
  whisper: { label: 'whisper', hint: 'whisperHint', send: 'whisperSend' },
} as const;

interface ComposerProps {
  id: string;
  visitorName: string;
  note?: boolean;
  onNote?: (note: boolean) => void;
  /** Nothing but whispers: the conversation is somebody else's. */
  whisper?: boolean;
}

export function Composer(props: ComposerProps): React.ReactElement {
  const { id, visitorName, note = false, onNote, whisper = false } = props;
  const desk = useDesk();
  const { say } = useSurroundings();
  // What was meant for the agent must not stand in the reply once the conversation is taken over.
  const draft = whisper ? `whisper:${id}` : id;
  const [text, setText] = useState(() => drafts.get(draft) ?? '');
  const input = useRef<TextAreaRef>(null);
  const over = textBytes(text.trim()) - TEXT_BYTES_MAX;
  const sendable = text.trim() !== '' && over <= 0;
  const unseen = note || whisper;

  useEffect(() => {
    // Who reads along has come to read.
    if (!whisper) input.current?.focus();
  }, [note, whisper]);
  useEffect(() => {
    const toggle = (event: KeyboardEvent): void => {
      if (onNote === undefined || !event.altKey || event.code !== 'KeyN') return;
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
    if (value === '') drafts.delete(draft);
    else drafts.set(draft, value);
    if (!unseen && value.trim() !== '' && !value.startsWith('/')) desk.agent.typing(id);
  };
  const replies = useReplies(text, !unseen, (reply) => {
    write(filled(reply.text, visitorName, desk.login.name));
    input.current?.focus();
  });
  const send = (): void => {
    if (!sendable) return;
    if (whisper) desk.agent.whisper(id, text.trim());
    else if (note) desk.agent.note(id, text.trim());
    else desk.agent.say(id, { kind: 'text', text: text.trim() });
    write('');
    input.current?.focus();
  };

  const words = WORDS[whisper ? 'whisper' : note ? 'note' : 'reply'];

  return (
    <form
      className={unseen ? 'composer composer-note' : 'composer'}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {replies.list}
      <Input.TextArea
        ref={input}
        {...replies.combobox}
        variant="borderless"
        autoSize={{ minRows: whisper ? 1 : 2, maxRows: 8 }}
        value={text}
        aria-label={say(words.label)}
        placeholder={say(words.hint)}
        status={over > 0 ? 'error' : ''}
        onChange={(event) => {
          write(event.target.value);
        }}
        onKeyDown={(event) => {
          // 229 is what Safari says for the Enter that ends a composition.
          // eslint-disable-next-line @typescript-eslint/no-deprecated -- nothing newer tells it there
          const composing = event.nativeEvent.isComposing || event.keyCode === 229;
          if (composing || replies.pressed(event)) return;
          if (event.key !== 'Enter' || event.shiftKey) return;
          event.preventDefault();
          send();
        }}
      />
      <div className="composer-foot">
        {onNote === undefined ? (
          <span />
        ) : (
          <Segmented<boolean>
            size="small"
            value={note}
            onChange={onNote}
            options={[
              { value: false, label: say('reply') },
              { value: true, label: say('note') },
            ]}
          />
        )}
        {!unseen && (
          <Tooltip title={say('repliesOpen')}>
            <Button
              type="text"
              size="small"
              className="open-replies"
              icon={<ThunderboltOutlined />}
              aria-label={say('repliesOpen')}
              disabled={text !== ''}
              onClick={() => {
                write('/');
                input.current?.focus();
              }}
            />
          </Tooltip>
        )}
        {over > 0 && <span className="failed">{say('tooLong', over)}</span>}
        <Button type="primary" htmlType="submit" icon={<SendOutlined />} disabled={!sendable}>
          {say(words.send)}
        </Button>
      </div>
    </form>
  );
}
