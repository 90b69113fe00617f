import { TextDecoder } from 'node:util';
import type { ArchiveLimits } from './limits.ts';
import { refusal } from './refusal.ts';

/** The path of an entry, known to stay inside the folder it is unpacked into on every common system. */
export interface EntryName {
  /** Parts joined by `/`, without one at the end. */
  readonly path: string;
  readonly isFolder: boolean;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** C0, C1, invisible and direction-changing characters, unpaired surrogates, private and unassigned code points. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])(\..*)?$/i;

/**
 * Reads the name of an entry from its bytes, refusing every spelling that could lead elsewhere or that two systems
 * would read differently. Names are UTF-8 whatever the archive's flags say; other encodings are refused.
 * @throws MyelinError ARCHIVE_REFUSED with the rule
 */
export function readEntryName(bytes: Uint8Array, limits: ArchiveLimits): EntryName {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw refusal('name-encoding', Buffer.from(bytes).toString('latin1'), undefined, { cause });
  }
  if (bytes.length > limits.pathBytes)
    throw refusal('path-too-long', text, `most: ${limits.pathBytes} bytes`);
  if (UNPRINTABLE.test(text)) throw refusal('control-character', text);
  // A full-width solidus or dot becomes a plain one on systems that normalise: judge the plain form too.
  const plain = text.normalize('NFKC');
  if (/[\\]/.test(plain)) throw refusal('backslash', text);
  if (text.startsWith('/') || plain.startsWith('/')) {
    throw refusal('absolute-path', text);
  }
  if (plain.includes(':')) throw refusal('colon', text);
  const isFolder = text.endsWith('/');
  const path = isFolder ? text.slice(0, -1) : text;
  if (count(plain, '/') !== count(text, '/')) throw refusal('outside-folder', text);
  const parts = path.split('/');
  if (parts.length > limits.depth) throw refusal('path-too-deep', text, `most: ${limits.depth}`);
  for (const part of parts) checkPart(part, text, limits);
  return { path, isFolder };
}

function checkPart(part: string, whole: string, limits: ArchiveLimits): void {
  const plain = part.normalize('NFKC');
  if (plain === '') throw refusal('empty-name', whole);
  if (/^[\s.]*\.[\s.]*$/.test(plain)) throw refusal('outside-folder', whole);
  if (/[\s.]$/.test(plain) || /^\s/.test(plain)) throw refusal('name-ending', whole);
  if (DEVICE.test(plain)) throw refusal('device-name', whole);
  if (Buffer.byteLength(part) > limits.nameBytes) {
    throw refusal('path-too-long', whole, `most for one name: ${limits.nameBytes} bytes`);
  }
}

const count = (text: string, character: string): number => text.split(character).length - 1;
