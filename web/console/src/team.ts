/** A team as the API has it: who serves whom, when, and what happens else. The fields are docs/protocol/rest.md's. */

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

export interface TeamSettings {
  name: string;
  /** Left out: everybody. */
  members?: { agent: string; capacity?: number }[];
  /** Left out: always open. */
  hours?: {
    zone: string;
    week: Partial<Record<Weekday, string[]>>;
    special_days?: Record<string, string[]>;
  };
  overflow_after_s: number;
  overflow_to?: string;
  prefer_last_agent_s: number;
  accept_within_s: number;
}
