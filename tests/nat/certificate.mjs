// A certificate of its own for a server at an address.

import { execFileSync } from 'node:child_process';
import { X509Certificate, createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files of a certificate and its key, and how Chromium is told to take that certificate, and no other, for good. */
export function makeCertificate(own, address) {
  const directory = own(mkdtempSync(join(tmpdir(), 'certificate-')), (path) => rmSync(path, { recursive: true }));
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(directory, name));
  const names = ['-subj', `/CN=${address}`, '-addext', `subjectAltName=IP:${address}`];
  const keys = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-keyout', key];
  execFileSync('openssl', ['req', '-x509', ...keys, '-out', cert, '-days', '2', ...names], { stdio: 'pipe', timeout: 30000 });
  const { publicKey } = new X509Certificate(readFileSync(cert));
  const hash = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
  return { cert, key, chromium: `--ignore-certificate-errors-spki-list=${hash}` };
}
