/** What every view may use: the words, the preferences, and the desk while somebody is logged in. */

import { createContext, useContext, useSyncExternalStore } from 'react';
import type { Desk } from './desk.ts';
import type { Preferences } from './memory.ts';
import type { Language, Say } from './words.ts';

export interface Surroundings {
  say: Say;
  language: Language;
  preferences: Preferences;
  prefer: (change: Partial<Preferences>) => void;
  /** The looks in use, the system's choice resolved. */
  dark: boolean;
}

export const SurroundingsContext = createContext<Surroundings | undefined>(undefined);
export const DeskContext = createContext<Desk | undefined>(undefined);

export function useSurroundings(): Surroundings {
  const value = useContext(SurroundingsContext);
  if (value === undefined) throw new Error('a view stands outside of App');
  return value;
}

/** The desk; the view draws again when something there changes. */
export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === undefined) throw new Error('a view of the desk stands outside of Workspace');
  useSyncExternalStore(desk.subscribe, desk.snapshot);
  return desk;
}
