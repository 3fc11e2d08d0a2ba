/** The desk of one logged-in person: the rail, the list, the talk, the visitor; and the other pages. */

import { App, Spin } from 'antd';
import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import { badgeTitle, chime, notify } from './alerts.ts';
import type { Login } from './api.ts';
import { DeskContext, useDesk, useSurroundings } from './context.ts';
import { ConversationList } from './ConversationList.tsx';
import type { Tab } from './ConversationList.tsx';
import { Desk } from './desk.ts';
import { Rail } from './Rail.tsx';
import type { Page } from './Rail.tsx';
import { NOTHING_ASKED } from './search.ts';
import { Shortcuts, useShortcuts } from './Shortcuts.tsx';
import { TalkPane } from './TalkPane.tsx';
import type { Say, Word } from './words.ts';

const Board = lazy(() => import('./Board.tsx'));
const History = lazy(() => import('./History.tsx'));
const Replies = lazy(() => import('./Replies.tsx'));
const Team = lazy(() => import('./Team.tsx'));
const Integration = lazy(() => import('./Integration.tsx'));

interface WorkspaceProps {
  login: Login;
  onLeave: (because: 'logout' | 'expired') => void;
}

export function Workspace({ login, onLeave }: WorkspaceProps): React.ReactElement {
  const { preferences } = useSurroundings();
  const [desk] = useState(
    () =>
      new Desk(login, () => {
        onLeave('expired');
      }),
  );
  useEffect(() => {
    desk.start(preferences.presence, preferences.capacity);
    return () => {
      desk.stop();
    };
    // Later changes of presence go through the switch; only the first one is read here.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [desk]);
  return (
    <DeskContext value={desk}>
      <Frame onLeave={onLeave} />
    </DeskContext>
  );
}

/** Refusals that an agent meets in a day's work; of others the server's own text is shown. */
const NOTICE_WORDS: Partial<Record<string, Word>> = {
  agent_unavailable: 'refusedAgent',
  team_unavailable: 'refusedTeam',
  not_your_conversation: 'refusedNotYours',
  conversation_closed: 'refusedClosed',
  wrong_state: 'refusedState',
};

function noticeWords({ code, text }: { code: string; text: string }, say: Say): string {
  const word = NOTICE_WORDS[code];
  return word === undefined ? text || code : say(word);
}

const PAGES: readonly Page[] = ['history', 'board', 'replies', 'team', 'integration'];

function pageOf(hash: string): Page {
  const name = hash.replace(/^#\/?/, '');
  return PAGES.find((page) => page === name) ?? 'desk';
}

function Frame({ onLeave }: Pick<WorkspaceProps, 'onLeave'>): React.ReactElement {
  const desk = useDesk();
  const { say, preferences } = useSurroundings();
  const { notification } = App.useApp();
  const [page, setPage] = useState<Page>(() => pageOf(location.hash));
  const [tab, setTab] = useState<Tab>('mine');
  const [chosen, setChosen] = useState<string>();
  /** Whose conversations the tab of the others shows; nothing: everybody's. */
  const [only, setOnly] = useState<string>();
  const [help, setHelp] = useState(false);
  const [question, setQuestion] = useState(NOTHING_ASKED);

  useEffect(() => {
    const follow = (): void => {
      setPage(pageOf(location.hash));
    };
    addEventListener('hashchange', follow);
    return () => {
      removeEventListener('hashchange', follow);
    };
  }, []);

  const choose = useCallback((id: string | undefined) => {
    setChosen(id);
    if (location.hash.length > 2) location.hash = '#/';
  }, []);

  const show = useCallback((wanted: Tab, agent?: string) => {
    setTab(wanted);
    setOnly(agent);
    setChosen(undefined);
    location.hash = '#/';
  }, []);

  useEffect(() => {
    desk.alertWith((alert) => {
      const looking = document.visibilityState === 'visible' && alert.conversation === chosen;
      if (looking) return;
      if (preferences.sound) chime();
      if (preferences.notifications && document.visibilityState === 'hidden') {
        notify(alert, say('newMessage', alert.name || say('visitor', '')), () => {
          setTab('mine');
          choose(alert.conversation);
        });
      }
    });
  }, [desk, chosen, preferences, say, choose]);

  const unread = desk.unreadTotal();
  useEffect(() => {
    badgeTitle(unread);
  }, [unread]);

  const { notice } = desk.agent;
  useEffect(() => {
    if (notice === undefined) return;
    notification.warning({ title: noticeWords(notice, say), placement: 'top' });
    desk.agent.clearNotice();
  }, [notice, notification, desk, say]);

  useShortcuts(desk, chosen, choose, () => {
    setHelp(true);
  });

  return (
    <div className="workspace" data-page={page} data-talk={chosen === undefined ? 'none' : 'open'}>
      <Rail
        page={page}
        unread={unread}
        onHelp={() => {
          setHelp(true);
        }}
        onLogout={() => {
          onLeave('logout');
        }}
      />
      {page === 'desk' ? (
        <>
          <ConversationList
            tab={tab}
            onTab={setTab}
            only={only}
            onOnly={setOnly}
            chosen={chosen}
            onChoose={choose}
          />
          <TalkPane
            key={chosen ?? 'none'}
            id={chosen}
            onBack={() => {
              setChosen(undefined);
            }}
          />
        </>
      ) : (
        <Suspense fallback={<Spin className="page-wait" />}>
          {page === 'history' && (
            <History question={question} onAsk={setQuestion} onOpen={choose} />
          )}
          {page === 'board' && desk.oversees && (
            <Board
              onWaiting={() => {
                show('waiting');
              }}
              onAgent={(name) => {
                show(name === desk.login.name ? 'mine' : 'others', name);
              }}
            />
          )}
          {page === 'replies' && desk.oversees && <Replies />}
          {page === 'team' && <Team />}
          {page === 'integration' && <Integration />}
        </Suspense>
      )}
      <Shortcuts
        open={help}
        onClose={() => {
          setHelp(false);
        }}
      />
    </div>
  );
}
