// Pages with unmodified rtc-quickconnect in a room, and what they say to each other.

import assert from 'node:assert/strict';

import { openPage } from './chromium.mjs';

/** A page that has joined the room through `signalhost`. */
export async function joinRoom(own, browser, site, name, signalhost, room) {
  const participant = own(await openPage(browser, name));
  await participant.page.goto(site.url);
  participant.id = await participant.page.evaluate(([host, r]) => join(host, r), [signalhost, room]);
  // One at a time: the client takes a socket that needs more than a second to open for a dead one,
  // and five pages that start at once on a small machine can need that.
  await participant.journal.until('the answer to its announce', ({ event }) => event === 'message:roominfo');
  return participant;
}

export const untilOpen = ({ journal }, other) =>
  journal.until(`an open channel to ${other.name} ${other.id}`, ({ open }) => open === other.id, { within: 20000 });

export async function assertEcho(from, to, text) {
  await from.page.evaluate(([peer, t]) => say(peer, `echo ${t}`), [to.id, text]);
  await from.journal.until(`the echo of ${text}`, (entry) => entry.from === to.id && entry.text === `echoed ${text}`);
}

export function assertUndisturbed(...participants) {
  const bad = /^(message:leave|call:(ended|expired|failed|aborted)|channel:closed|peer:autoreconnect)$/;
  for (const { name, journal } of participants) {
    assert.deepEqual(journal.all(({ event }) => bad.test(event)), [], `${name} ${journal.describe()}`);
  }
}
