import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsFiles } from './engine/listen.ts';

export interface TestCertificate extends TlsFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
  remove(): void;
}

/** A certificate for localhost that nobody but itself has signed, good for a day, for tests. Needs `openssl`. */
export function testCertificate(): TestCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'myelin-tls-'));
  const [certificateFile, keyFile] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const args = [
    ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1'.split(' '),
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-keyout', keyFile, '-out', certificateFile],
  ];
  execFileSync('openssl', args, { stdio: 'pipe' });
  return {
    certificateFile,
    keyFile,
    certificate: readFileSync(certificateFile),
    key: readFileSync(keyFile),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Why tests that need a certificate are skipped; undefined when one can be made. */
export const noOpenssl: string | undefined = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'pipe' });
    return undefined;
  } catch {
    return 'there is no openssl here';
  }
})();
