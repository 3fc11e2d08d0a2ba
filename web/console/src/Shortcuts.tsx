/** The keyboard shortcuts: what they do, and the list that tells. */

import { Modal } from 'antd';
import { useEffect } from 'react';
import { useSurroundings } from './context.ts';
import type { Desk } from './desk.ts';
import type { Word } from './words.ts';

const KEYS: [string[], Word][] = [
  [['Enter'], 'keysSend'],
  [['Shift', 'Enter'], 'keysLine'],
  [['/'], 'keysReplies'],
  [['Alt', '↑ ↓'], 'keysNext'],
  [['Alt', 'W'], 'keysNeed'],
  [['Alt', 'N'], 'keysNote'],
  [['Alt', 'T'], 'keysTransfer'],
  [['Alt', 'E'], 'keysClose'],
  [['Alt', 'A'], 'keysAccept'],
  [['Alt', 'B'], 'keysDecline'],
  [['Alt', 'O'], 'keysTakeOver'],
  [['Alt', 'P'], 'keysPresence'],
  [['?'], 'keysHelp'],
];

/** Buttons that keys press, where they are there. */
const ACTIONS: Partial<Record<string, string>> = {
  KeyT: 'transfer',
  KeyE: 'close',
  KeyA: 'accept',
  KeyB: 'decline',
  KeyO: 'takeover',
};

interface ShortcutsProps {
  open: boolean;
  onClose: () => void;
}

export function Shortcuts({ open, onClose }: ShortcutsProps): React.ReactElement {
  const { say } = useSurroundings();
  return (
    <Modal open={open} onCancel={onClose} footer={null} title={say('shortcuts')} width={440}>
      <dl className="keys">
        {KEYS.map(([keys, word]) => (
          <div key={word}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{say(word)}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}

/** Listens for them; Alt+N belongs to the composer. */
export function useShortcuts(
  desk: Desk,
  chosen: string | undefined,
  choose: (id: string) => void,
  help: () => void,
): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.key === '?' && !isWriting(event.target)) {
        help();
        return;
      }
      // By place on the keyboard: with Alt, Macs make other letters of the keys.
      if (!event.altKey || !act(event.code, desk, chosen, choose)) return;
      event.preventDefault();
    };
    addEventListener('keydown', pressed);
    return () => {
      removeEventListener('keydown', pressed);
    };
  }, [desk, chosen, choose, help]);
}

function act(
  code: string,
  desk: Desk,
  chosen: string | undefined,
  choose: (id: string) => void,
): boolean {
  const mine = desk.mine();
  switch (code) {
    case 'ArrowDown':
    case 'ArrowUp': {
      const at = mine.findIndex((item) => item.id === chosen);
      const next = mine[at === -1 ? 0 : at + (code === 'ArrowDown' ? 1 : -1)];
      if (next !== undefined) choose(next.id);
      return true;
    }
    case 'KeyW': {
      const needy = mine.find((item) => item.waitsSince > 0 && item.id !== chosen);
      if (needy !== undefined) choose(needy.id);
      return true;
    }
    case 'KeyP': {
      const { state, capacity } = desk.agent.presence;
      desk.agent.setPresence(state === 'ready' ? 'away' : 'ready', capacity);
      return true;
    }
    default: {
      const action = ACTIONS[code];
      if (action === undefined) return false;
      document.querySelector<HTMLElement>(`[data-action=${action}]`)?.click();
      return true;
    }
  }
}

function isWriting(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.closest('input, textarea, [contenteditable]') !== null
  );
}
