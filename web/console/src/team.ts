/**
 * A team as the API has it (docs/protocol/rest.md), and as a form shows it: who serves whom, when, and what happens
 * else. Pure.
 */

export const WEEKDAYS = [
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
  'sunday',
] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** The team that is always there. */
export const FIRST_TEAM = 'default';
/** Most seconds of any setting: a week. */
export const SECONDS_MAX = 7 * 86_400;
const PREFER_LAST_AGENT_S = SECONDS_MAX;
const HOUR_S = 3_600;

export interface Member {
  agent: string;
  /** Left out: as many as the agent's own capacity allows. */
  capacity?: number;
}

export interface TeamSettings {
  name: string;
  /** Left out: everybody. */
  members?: Member[];
  /** Left out: always open. */
  hours?: {
    zone: string;
    week: Partial<Record<Weekday, string[]>>;
    special_days?: Record<string, string[]>;
  };
  overflow_after_s: number;
  /** Left out: the visitor leaves a message. */
  overflow_to?: string;
  prefer_last_agent_s: number;
  accept_within_s: number;
}

/** What a form holds. Periods are one text a day: `09:00-12:00, 13:00-18:00`; empty: closed. */
export interface TeamDraft {
  name: string;
  everybody: boolean;
  members: { agent: string; capacity: number | null }[];
  always: boolean;
  zone: string;
  week: Record<Weekday, string>;
  special: { date: string; periods: string }[];
  overflow_after_s: number;
  /** Empty: the visitor leaves a message. */
  overflow_to: string;
  prefer_last_agent_h: number;
  accept_within_s: number;
}

/** A new team is a usual week of the place where this browser is, always open until somebody says otherwise. */
export function draftOf(settings: TeamSettings | undefined, zone: string): TeamDraft {
  const week = settings?.hours?.week;
  const usual = (day: Weekday): string[] =>
    day === 'saturday' || day === 'sunday' ? [] : ['09:00-18:00'];
  const periods = (day: Weekday): string =>
    (week === undefined ? usual(day) : (week[day] ?? [])).join(', ');
  return {
    name: settings?.name ?? '',
    everybody: settings?.members === undefined,
    members: (settings?.members ?? []).map(({ agent, capacity = null }) => ({ agent, capacity })),
    always: settings?.hours === undefined,
    zone: settings?.hours?.zone ?? zone,
    week: Object.fromEntries(WEEKDAYS.map((day) => [day, periods(day)])) as TeamDraft['week'],
    special: Object.entries(settings?.hours?.special_days ?? {}).map(([date, listed]) => ({
      date,
      periods: listed.join(', '),
    })),
    overflow_after_s: settings?.overflow_after_s ?? 0,
    overflow_to: settings?.overflow_to ?? '',
    prefer_last_agent_h: (settings?.prefer_last_agent_s ?? PREFER_LAST_AGENT_S) / HOUR_S,
    accept_within_s: settings?.accept_within_s ?? 0,
  };
}

/** What is kept of a form. */
export function settingsOf(draft: TeamDraft): TeamSettings {
  const { name, overflow_after_s, accept_within_s } = draft;
  const settings: TeamSettings = {
    name: name.trim(),
    overflow_after_s,
    prefer_last_agent_s: Math.round(draft.prefer_last_agent_h * HOUR_S),
    accept_within_s,
  };
  if (!draft.everybody) {
    settings.members = draft.members.map(({ agent, capacity }) =>
      capacity === null ? { agent } : { agent, capacity },
    );
  }
  if (!draft.always) {
    const open = WEEKDAYS.map((day): [Weekday, string[]] => [day, periodsOf(draft.week[day])]);
    settings.hours = {
      zone: draft.zone,
      week: Object.fromEntries(open.filter(([, periods]) => periods.length > 0)),
      special_days: Object.fromEntries(
        draft.special.map(({ date, periods }) => [date.trim(), periodsOf(periods)]),
      ),
    };
  }
  if (draft.overflow_to !== '') settings.overflow_to = draft.overflow_to;
  return settings;
}

/** The periods of a text, however they are separated; whether each is one, the server says. */
export function periodsOf(text: string): string[] {
  return text
    .replace(/\s*[-–—~～至到]\s*/g, '-')
    .replace(/：/g, ':')
    .split(/[\s,，、;；]+/)
    .filter((period) => period !== '');
}
