/** The narrow bar with the places to go, help, and the person's own menu. */

import {
  ApiOutlined,
  DashboardOutlined,
  LogoutOutlined,
  MessageOutlined,
  QuestionCircleOutlined,
  SearchOutlined,
  SettingOutlined,
  TeamOutlined,
  ThunderboltOutlined,
} from '@ant-design/icons';
import { App, Badge, Button, Popover, Segmented, Switch, Tooltip } from 'antd';
import { useDesk, useSurroundings } from './context.ts';
import { Face } from './Face.tsx';
import type { Preferences } from './memory.ts';
import type { Language } from './words.ts';

/** As in the style sheet: there the rail lies at the bottom. */
const PHONE = '(max-width: 760px)';

export type Page = 'desk' | 'history' | 'board' | 'replies' | 'team' | 'integration';

interface RailProps {
  page: Page;
  unread: number;
  onHelp: () => void;
  onLogout: () => void;
}

export function Rail({ page, unread, onHelp, onLogout }: RailProps): React.ReactElement {
  const desk = useDesk();
  const { say } = useSurroundings();
  const admin = desk.login.role === 'admin';
  const places: { key: Page; href: string; icon: React.ReactElement; label: string }[] = [
    { key: 'desk', href: '#/', icon: <MessageOutlined />, label: say('desk') },
    { key: 'history', href: '#/history', icon: <SearchOutlined />, label: say('history') },
    ...(desk.oversees
      ? ([
          { key: 'board', href: '#/board', icon: <DashboardOutlined />, label: say('board') },
          {
            key: 'replies',
            href: '#/replies',
            icon: <ThunderboltOutlined />,
            label: say('replies'),
          },
        ] as const)
      : []),
    ...(admin
      ? ([
          { key: 'team', href: '#/team', icon: <TeamOutlined />, label: say('agents') },
          {
            key: 'integration',
            href: '#/integration',
            icon: <ApiOutlined />,
            label: say('integration'),
          },
        ] as const)
      : []),
  ];
  return (
    <nav className="rail" aria-label="ringdesk">
      <img className="rail-logo" src="/console/icon.svg" alt="ringdesk" />
      {places.map((place) => (
        <Tooltip key={place.key} title={place.label} placement="right">
          <a
            className="rail-item"
            href={place.href}
            aria-label={place.label}
            aria-current={page === place.key ? 'page' : undefined}
          >
            <Badge count={place.key === 'desk' ? unread : 0} size="small" offset={[4, -2]}>
              {place.icon}
            </Badge>
          </a>
        </Tooltip>
      ))}
      <span className="rail-gap" />
      <Tooltip title={say('shortcuts')} placement="right">
        <button className="rail-item" type="button" aria-label={say('shortcuts')} onClick={onHelp}>
          <QuestionCircleOutlined />
        </button>
      </Tooltip>
      <Popover
        trigger="click"
        placement={matchMedia(PHONE).matches ? 'topRight' : 'rightBottom'}
        content={<OwnMenu onLogout={onLogout} />}
        arrow={false}
      >
        <button className="rail-item" type="button" aria-label={say('settings')}>
          <SettingOutlined />
        </button>
      </Popover>
    </nav>
  );
}

function OwnMenu({ onLogout }: { onLogout: () => void }): React.ReactElement {
  const desk = useDesk();
  const { say, preferences, prefer } = useSurroundings();
  const { message } = App.useApp();
  const { login, agent } = desk;
  const role = ({ agent: 'roleAgent', supervisor: 'roleSupervisor', admin: 'roleAdmin' } as const)[
    login.role
  ];

  const allow = async (wanted: boolean): Promise<void> => {
    const answer =
      wanted && 'Notification' in window ? await Notification.requestPermission() : 'denied';
    if (wanted && answer !== 'granted') message.info(say('notificationsDenied'));
    prefer({ notifications: wanted && answer === 'granted' });
  };

  return (
    <div className="own-menu">
      <div className="own-head">
        <Face name={login.name} />
        <div>
          <b>{login.name}</b>
          <div className="soft">{say(role)}</div>
        </div>
      </div>
      <label>
        {say('language')}
        <Segmented<Language>
          value={preferences.language}
          options={[
            { value: 'en', label: 'English' },
            { value: 'zh', label: '中文' },
          ]}
          onChange={(language) => {
            prefer({ language });
          }}
        />
      </label>
      <label>
        {say('theme')}
        <Segmented<Preferences['theme']>
          value={preferences.theme}
          options={(['system', 'light', 'dark'] as const).map((value) => ({
            value,
            label: say(value),
          }))}
          onChange={(theme) => {
            prefer({ theme });
          }}
        />
      </label>
      <label>
        {say('sound')}
        <Switch
          checked={preferences.sound}
          onChange={(sound) => {
            prefer({ sound });
          }}
        />
      </label>
      <label>
        {say('notifications')}
        <Switch checked={preferences.notifications} onChange={(wanted) => void allow(wanted)} />
      </label>
      <div className="own-foot">
        <span className="soft">{agent.version === '' ? '' : `ringdesk ${agent.version}`}</span>
        <Button icon={<LogoutOutlined />} onClick={onLogout}>
          {say('logout')}
        </Button>
      </div>
    </div>
  );
}
