// Whether a page fits into a phone and a desktop, with a photograph of each.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NARROW = { width: 390, height: 844 };
export const WIDE = { width: 1280, height: 800 };

const SCREENSHOTS = process.env.SCREENSHOTS ?? fileURLToPath(new URL('../../browser/screenshots-out', import.meta.url));

/** Photographs the page at both sizes and checks that it is no wider than that. */
export async function assertFits({ page, name }, moment) {
  await mkdir(SCREENSHOTS, { recursive: true });
  for (const size of [NARROW, WIDE]) {
    await page.setViewportSize(size);
    const file = join(SCREENSHOTS, `${moment}-${size.width}x${size.height}.png`);
    await page.screenshot({ path: file, animations: 'disabled' });
    const { scrollWidth, innerWidth } = await page.evaluate(() => ({
      scrollWidth: document.scrollingElement.scrollWidth,
      innerWidth,
    }));
    assert.ok(scrollWidth <= innerWidth, `${name} at ${size.width} wide is ${scrollWidth} wide: see ${file}`);
  }
}
