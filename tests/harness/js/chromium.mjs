// Headless Chromium whose traffic stays on this machine, and pages with a journal.

import { chromium } from 'playwright-core';

import { Journal } from './journal.mjs';

const ARGS = [
  '--no-sandbox', // As root, in a container, there is no other way.
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Without it host candidates are .local names, which need multicast DNS to be resolved.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];

// Calls over 127.0.0.1: a machine without any other address can run these tests too.
export const LOOPBACK = '--allow-loopback-in-peer-connection';

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/**
 * `env` is for an executable that starts Chromium somewhere else. Pages that are left are thrown away, unless it `keepsPages`
 * as it does for people, who may go back to them.
 */
export function launchChromium({ executablePath = CHROMIUM, args = [LOOPBACK], env = {}, keepsPages = false } = {}) {
  return chromium.launch({
    executablePath,
    ignoreDefaultArgs: keepsPages ? ['--disable-back-forward-cache'] : [],
    args: [...ARGS, ...args],
    env: { ...process.env, ...env },
    timeout: 60000,
  });
}

/**
 * Opens a page of its own profile. Its journal holds what it writes to the console ({ console }),
 * what it throws ({ thrown }), and what its own scripts hand to `window.report`.
 */
export async function openPage(browser, name, { viewport = { width: 1280, height: 800 } } = {}) {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  const journal = new Journal(`page ${name}`);
  page.on('console', (message) => journal.append({ console: message.type(), text: message.text() }));
  page.on('pageerror', (failure) => journal.append({ thrown: String(failure) }));
  page.on('crash', () => journal.append({ thrown: 'the page crashed' }));
  await page.exposeFunction('report', (entry) => journal.append(entry));
  return { name, page, journal, close: () => context.close() };
}

/** What went wrong inside the page: nothing, in a page that works. */
export const errorsOf = ({ journal }) =>
  journal.all((entry) => entry.console === 'error' || 'thrown' in entry);
