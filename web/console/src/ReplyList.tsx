/** The list of canned replies above the composer: a listbox that the text field steers. */

import { useEffect, useId, useState } from 'react';
import type { Reply } from './api.ts';
import { useDesk, useSurroundings } from './context.ts';
import { asked, fitting } from './replies.ts';

interface Replies {
  /** The list, where one is open. */
  list: React.ReactNode;
  /** What tells a screen reader that the field steers it. */
  combobox: React.AriaAttributes & { role?: 'combobox' };
  /** Takes a key that is meant for the list; answers whether it was. */
  pressed: (event: React.KeyboardEvent) => boolean;
}

/** Offers replies while `text` asks for them, and gives the chosen one to `insert`. */
export function useReplies(
  text: string,
  allowed: boolean,
  insert: (reply: Reply) => void,
): Replies {
  const desk = useDesk();
  const { say } = useSurroundings();
  const id = useId();
  const [at, setAt] = useState(0);
  const [closed, setClosed] = useState(false);
  const query = allowed ? asked(text) : undefined;
  const asking = query !== undefined;
  const [before, setBefore] = useState(query);
  if (before !== query) {
    // Another question begins at the best answer; one that was closed stays so until it is asked anew.
    setBefore(query);
    setAt(0);
    if (query === undefined) setClosed(false);
  }
  useEffect(() => {
    if (asking) desk.loadReplies();
  }, [asking, desk]);

  const open = asking && !closed;
  const found = open ? fitting(desk.replies, query) : [];
  const option = (index: number): string => `${id}-${String(index)}`;
  const step = (by: number): void => {
    setAt((at + by + found.length) % found.length);
  };
  const pressed = (event: React.KeyboardEvent): boolean => {
    if (!open || event.altKey || event.shiftKey) return false;
    const chosen = found[at];
    if (event.key === 'Escape') setClosed(true);
    else if (chosen === undefined) return false;
    else if (event.key === 'ArrowDown') step(1);
    else if (event.key === 'ArrowUp') step(-1);
    else if (event.key === 'Enter' || event.key === 'Tab') insert(chosen);
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  };
  const list = open && (
    <div className="replies">
      {found.length === 0 ? (
        <p className="soft" role="status">
          {say(desk.replies.length === 0 ? 'repliesNone' : 'repliesNoMatch')}
        </p>
      ) : (
        <ul id={id} role="listbox" aria-label={say('replies')}>
          {found.map((reply, index) => (
            <li
              key={reply.shortcut}
              id={option(index)}
              role="option"
              aria-selected={index === at}
              onPointerDown={(event) => {
                event.preventDefault(); // The field keeps the focus.
              }}
              onClick={() => {
                insert(reply);
              }}
            >
              <b>/{reply.shortcut}</b>
              <span>{reply.text}</span>
            </li>
          ))}
        </ul>
      )}
      <small className="soft not-phone">{say('repliesKeys')}</small>
    </div>
  );
  const combobox = allowed
    ? {
        role: 'combobox' as const,
        'aria-expanded': open && found.length > 0,
        'aria-autocomplete': 'list' as const,
        'aria-haspopup': 'listbox' as const,
        ...(found.length > 0 ? { 'aria-controls': id, 'aria-activedescendant': option(at) } : {}),
      }
    : {};
  return { list, combobox, pressed };
}
