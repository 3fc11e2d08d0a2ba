/**
 * The script a shop puts on its page: `<script src="https://desk.example/widget.js" defer></script>`.
 *
 * Reads its own tag (`data-site`, `data-team`, `data-token`, `data-lang`, `data-color`, `data-preview`) and adds one element to the page. It
 * connects when the person opens it or has a conversation going on, so a page view costs the shop nothing else.
 */

import { Visitor, watchNetwork } from '@ringdesk/client';
import { Panel } from './panel.ts';
import { browserStorage, openStore, rememberOpen, subjectOf, wasOpen } from './storage.ts';
import { chooseLanguage, WORDS } from './words.ts';

/** Longest address told to the desk; what the browser escapes is one byte a letter. */
const PAGE_LETTERS_MAX = 2000;
/** Longest wait for the answer to "are you there". */
const PROBE_MS_MAX = 5_000;

/** What the shop's page may call. */
interface Ringdesk {
  open: () => void;
  close: () => void;
}

function start(script: HTMLScriptElement): Ringdesk {
  const base = new URL('.', script.src).href;
  const { site = 'default', team, token, lang, color, preview } = script.dataset;
  const local = browserStorage('localStorage');
  const session = browserStorage('sessionStorage');
  const language = chooseLanguage(lang, navigator.languages);
  const visitor = new Visitor({
    url: new URL('ws', base).href.replace(/^http/, 'ws'),
    site,
    token,
    team,
    preview: preview === 'on',
    page: () => (location.origin + location.pathname + location.search).slice(0, PAGE_LETTERS_MAX),
    store: openStore(local, site, subjectOf(token)),
    probe: () => answers(new URL('health/live', base)),
  });
  const panel = new Panel({
    visitor,
    words: WORDS[language],
    language,
    base,
    color,
    preview: preview === 'on',
    toggled: (open) => {
      rememberOpen(session, open);
      if (open) visitor.open();
    },
  });
  watchNetwork(visitor.link);
  document.body.append(panel.host);
  if (wasOpen(session)) panel.show(true, false);
  else if (visitor.pending) visitor.open();
  return {
    open: () => {
      panel.show(true);
    },
    close: () => {
      panel.show(false);
    },
  };
}

/** Whether the server is reachable; what it says does not matter. */
async function answers(url: URL): Promise<boolean> {
  const signal = AbortSignal.timeout(PROBE_MS_MAX);
  await fetch(url, { mode: 'no-cors', cache: 'no-store', signal });
  return true;
}

declare global {
  interface Window {
    ringdesk?: Ringdesk;
  }
}

// `currentScript` is only there while the tag itself runs, so it is taken before anything is waited for.
const script = document.currentScript;
if (script instanceof HTMLScriptElement && window.ringdesk === undefined) {
  const boot = (): void => {
    window.ringdesk ??= start(script);
  };
  if (document.readyState === 'loading') addEventListener('DOMContentLoaded', boot);
  else boot();
}
