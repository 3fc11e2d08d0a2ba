/** Sound, desktop notification and title badge for what arrives while the person looks elsewhere. */

import type { Alert } from './desk.ts';

let audio: AudioContext | undefined;

/** Two soft notes, made here: no file to load. */
export function chime(): void {
  audio ??= new AudioContext();
  const start = audio.currentTime;
  for (const [at, frequency] of [
    [0, 660],
    [0.12, 880],
  ] as const) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.0001, start + at);
    volume.gain.exponentialRampToValueAtTime(0.12, start + at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + at + 0.3);
    tone.connect(volume).connect(audio.destination);
    tone.start(start + at);
    tone.stop(start + at + 0.32);
  }
}

/** Shows a notification, if the person allowed it; `chosen` when it is clicked. */
export function notify(alert: Alert, title: string, chosen: () => void): void {
  if (!('Notification' in window) || Notification.permission !== 'granted') return;
  // One notification a conversation: the newest replaces the one before.
  const note = new Notification(title, {
    body: alert.text.slice(0, 120),
    tag: alert.conversation,
    icon: '/console/icon.svg',
  });
  note.onclick = () => {
    window.focus();
    chosen();
    note.close();
  };
}

export function badgeTitle(unread: number): void {
  document.title = unread > 0 ? `(${String(unread)}) ringdesk` : 'ringdesk';
}
