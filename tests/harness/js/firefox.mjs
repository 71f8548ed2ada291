// Headless Firefox over WebDriver BiDi, and a page with a journal.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import puppeteer from 'puppeteer-core';

import { bounded } from './bounded.mjs';
import { Journal } from './journal.mjs';

// puppeteer sets many more: among them no updates, no telemetry, no settings from afar.
const PREFERENCES = {
  // A relay on 127.0.0.1: a machine without any other address can run these tests too.
  'media.peerconnection.ice.loopback': true,
  // Without it host candidates are .local names, which need multicast DNS to be resolved.
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  // What it would fetch by itself cannot be found.
  'network.dns.disabled': true,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'dom.push.connection.enabled': false,
  'toolkit.telemetry.enabled': false,
  'toolkit.telemetry.unified': false,
};

/** Starts Firefox with a home and a profile of its own, which go when it is closed. */
export async function launchFirefox() {
  const home = await mkdtemp(join(tmpdir(), 'firefox-'));
  const clean = () => rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  try {
    const userDataDir = join(home, 'profile');
    await mkdir(userDataDir);
    const browser = await puppeteer.launch({
      browser: 'firefox',
      protocol: 'webDriverBiDi',
      executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
      headless: true,
      timeout: 30000,
      protocolTimeout: 30000,
      userDataDir,
      env: { ...process.env, HOME: home, TMPDIR: home, MOZ_CRASHREPORTER_DISABLE: '1' },
      extraPrefsFirefox: PREFERENCES,
    });
    return { newPage: () => browser.newPage(), close: () => close(browser).finally(clean) };
  } catch (failure) {
    await clean();
    throw failure;
  }
}

async function close(browser) {
  const child = browser.process();
  try {
    await bounded('Firefox to close', browser.close(), 10000);
  } finally {
    child?.kill('SIGKILL');
  }
}

/** Opens an empty page. Its journal holds what it writes to the console and what it throws. */
export async function openFirefoxPage(firefox, name) {
  const page = await bounded('a page in Firefox', firefox.newPage(), 15000);
  const journal = new Journal(`Firefox page ${name}`);
  page.on('console', (message) => journal.append({ console: message.type(), text: message.text() }));
  page.on('pageerror', (failure) => journal.append({ thrown: String(failure) }));
  return { name, page, journal, close: () => bounded('the page to close', page.close()) };
}
