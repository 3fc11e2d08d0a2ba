/** The frame around everything: looks, language, and whether to show set-up, login or the desk. */

import { App as AntApp, ConfigProvider, theme as antTheme } from 'antd';
import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import type { Login } from './api.ts';
import { SurroundingsContext } from './context.ts';
import { Entrance } from './Entrance.tsx';
import { loadLogin, loadPreferences, saveLogin, savePreferences } from './memory.ts';
import type { Preferences } from './memory.ts';
import { speak } from './words.ts';
import { Workspace } from './Workspace.tsx';

const ACCENT = '#0f766e';
const ACCENT_DARK = '#2bb3a3';

const darkQuery = matchMedia('(prefers-color-scheme: dark)');

function useSystemDark(): boolean {
  return useSyncExternalStore(
    (changed) => {
      darkQuery.addEventListener('change', changed);
      return () => {
        darkQuery.removeEventListener('change', changed);
      };
    },
    () => darkQuery.matches,
  );
}

/** The one-time token of the set-up link: `/console/setup?token=…` or `/console/#/setup?token=…`. */
function setupToken(): string | undefined {
  const [path, query] = location.hash.slice(1).split('?');
  const inHash = path === '/setup';
  const inPath = location.pathname.endsWith('/setup');
  if (!inHash && !inPath) return undefined;
  return new URLSearchParams(inHash ? query : location.search).get('token') ?? '';
}

export function App(): React.ReactElement {
  const [preferences, setPreferences] = useState<Preferences>(loadPreferences);
  const [login, setLogin] = useState<Login | undefined>(loadLogin);
  const [setup, setSetup] = useState(setupToken);
  const [expired, setExpired] = useState(false);
  const systemDark = useSystemDark();
  const dark = preferences.theme === 'system' ? systemDark : preferences.theme === 'dark';

  const prefer = useCallback((change: Partial<Preferences>) => {
    setPreferences((old) => {
      const next = { ...old, ...change };
      savePreferences(next);
      return next;
    });
  }, []);
  const surroundings = useMemo(
    () => ({
      say: speak(preferences.language),
      language: preferences.language,
      preferences,
      prefer,
      dark,
    }),
    [preferences, prefer, dark],
  );
  useEffect(() => {
    document.documentElement.lang = preferences.language === 'zh' ? 'zh-CN' : 'en';
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  }, [preferences.language, dark]);

  useEffect(() => {
    // The set-up link, opened where the console is open already, changes no more than the hash.
    const follow = (): void => {
      const token = setupToken();
      if (token !== undefined) setSetup(token);
    };
    addEventListener('hashchange', follow);
    return () => {
      removeEventListener('hashchange', follow);
    };
  }, []);

  const enter = (entered: Login): void => {
    saveLogin(entered);
    setExpired(false);
    setLogin(entered);
    if (setup !== undefined) history.replaceState(null, '', '/console/');
    setSetup(undefined);
  };
  const leave = useCallback((because: 'logout' | 'expired') => {
    saveLogin(undefined);
    setExpired(because === 'expired');
    setLogin(undefined);
  }, []);

  return (
    <ConfigProvider
      locale={preferences.language === 'zh' ? zhCN : enUS}
      theme={{
        algorithm: dark ? antTheme.darkAlgorithm : antTheme.defaultAlgorithm,
        token: {
          colorPrimary: dark ? ACCENT_DARK : ACCENT,
          colorInfo: dark ? ACCENT_DARK : ACCENT,
          // As `--soft` in the style sheet: Ant Design's own is too faint to be read.
          colorTextPlaceholder: dark ? '#98a2b3' : '#667085',
          borderRadius: 8,
          fontFamily:
            'system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif',
        },
      }}
    >
      <SurroundingsContext value={surroundings}>
        <AntApp className="app">
          {login === undefined || setup !== undefined ? (
            <Entrance setup={setup} expired={expired} onEnter={enter} />
          ) : (
            <Workspace key={login.token} login={login} onLeave={leave} />
          )}
        </AntApp>
      </SurroundingsContext>
    </ConfigProvider>
  );
}
