// The demo page as somebody uses it, through the hooks it keeps stable.

import { openPage } from './chromium.mjs';
import { eventually } from './bounded.mjs';
import { WIDE } from './fits.mjs';

/** A tab with the page open in it, the form filled in, nobody joined yet. `prepare` has the empty page first. */
export async function openTab(browser, url, name, room, { relayOnly = false, prepare = async () => {} } = {}) {
  const tab = await openPage(browser, name, { viewport: WIDE });
  const { page, journal } = tab;
  await page.addInitScript(reportStates);
  await page.addInitScript(countOpened);
  await prepare(page);
  await page.goto(`${url}/?room=${encodeURIComponent(room)}&name=${encodeURIComponent(name)}${relayOnly ? '&relay=only' : ''}`);

  const state = (of, wanted) => (entry) => entry.of === of && entry.state === wanted;
  return {
    ...tab,

    async join() {
      await page.click('#join');
      await journal.until('#status to be joined', state('status', 'joined'));
    },

    untilStatus: (wanted, options) => journal.until(`#status to be ${wanted}`, state('status', wanted), options),
    untilCall: (wanted, options = {}) =>
      journal.until(`the call to be ${wanted}`, state('call', wanted), { within: 15000, ...options }),
    callStates: (from = 0) => journal.entries.slice(from).filter(({ of }) => of === 'call').map((entry) => entry.state),

    /** The list entry of somebody else in the room. */
    peer: (other) => page.locator(`#peers li[data-name=${JSON.stringify(other)}]`),

    async see(other, within = 5000) {
      await page.waitForSelector(`#peers li[data-name=${JSON.stringify(other)}]`, { timeout: within });
    },

    async call(other, action) {
      await page.click(`#peers li[data-name=${JSON.stringify(other)}] [data-action="${action}"]`);
    },

    /** Waits until it rings and presses one of the card's buttons. */
    async answer(action, options) {
      await journal.until('the ringing', state('call', 'ringing'), options);
      await page.click(`#calls [data-call] [data-action="${action}"]`);
    },

    async press(action) {
      await page.click(`#calls [data-call] [data-action="${action}"]`);
    },

    /** What the card of the call says in words. */
    callText: () => page.locator('#calls [data-call] .call-state').innerText(),

    /** How many times this page has asked for a camera, and how many connections it has made. */
    opened: () => page.evaluate(() => window.opened),

    async chat(text) {
      await page.fill('#chat-text', text);
      await page.click('#chat-send');
    },

    /** What the page has logged. */
    log: () => page.locator('#log').evaluate((list) => [...list.children].map((line) => line.textContent).join('\n')),

    chatLog: () => page.locator('#chat-log li').allInnerTexts(),

    /** Resolves when the picture of the other side can be seen and has moved on by some frames. */
    async untilPictureMoves(what) {
      const before = await framesShown(page);
      await eventually(
        `${name} to see the other side's picture move ${what}, from frame ${before}`,
        () => framesShown(page),
        (frames) => frames > before + 5,
        { within: 15000, every: 100 },
      );
      await page.waitForSelector('video[data-remote]', { state: 'visible', timeout: 5000 });
    },
  };
}

const framesShown = (page) =>
  page.evaluate(() => document.querySelector('video[data-remote]')?.getVideoPlaybackQuality().totalVideoFrames ?? 0);

/** Runs inside the page: counts what must not happen before somebody answers. */
function countOpened() {
  window.opened = { cameras: 0, connections: 0 };
  window.connections = [];
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (constraints) => {
    window.opened.cameras += 1;
    return open(constraints);
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...settings) {
      super(...settings);
      window.opened.connections += 1;
      window.connections.push(this);
    }
  };
}

/** Runs inside the page: hands every change of a `data-state` that matters to the journal. */
function reportStates() {
  const told = new WeakMap();
  const tell = (element) => {
    const { state } = element.dataset;
    const of = element.id === 'status' ? 'status' : element.dataset.call && 'call';
    if (!of || told.get(element) === state) return;
    told.set(element, state);
    window.report({ of, state, ...(of === 'call' && { peer: element.dataset.call }) });
  };
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      for (const node of [target, ...addedNodes]) if (node instanceof HTMLElement) tell(node);
    }
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-state'] });
}
