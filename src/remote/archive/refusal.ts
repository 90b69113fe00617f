import { MyelinError } from '../../core/errors.ts';

/** Why archives are refused. Each rule's sentence follows the entry's name. */
export const ARCHIVE_RULES = {
  'not-a-zip': 'is no ZIP archive, or is cut short',
  damaged: 'is damaged',
  empty: 'holds no files',
  'archive-too-large': 'is larger than an archive may be',
  'too-many-entries': 'holds more files than an archive may',
  'total-too-large': 'unpacks to more than an archive may',
  'file-too-large': 'unpacks to more than a file may',
  ratio: 'is compressed more than real files are',
  'size-lie': 'has another size than the archive says',
  checksum: 'does not have the checksum the archive says',
  overlap: 'shares its bytes with another entry',
  'header-mismatch': 'is described differently in two places of the archive',
  'name-encoding': 'is not valid UTF-8',
  'absolute-path': 'is an absolute path',
  'outside-folder': 'leads out of the project folder',
  backslash: 'has a backslash in its name',
  colon: 'has a colon in its name: a drive letter or a hidden stream on some systems',
  'control-character': 'has a control character or an invisible one in its name',
  'empty-name': 'has an empty part in its name',
  'name-ending': 'has a name that ends in a dot or a space',
  'device-name': 'is the name of a device on some systems',
  'path-too-long': 'has a longer path than an archive may hold',
  'path-too-deep': 'lies in more folders than an archive may hold',
  duplicate: 'is there twice',
  collision: 'would be the same file on some systems as another entry',
  'file-and-folder': 'is a file and a folder at once',
  link: 'is a link',
  'special-file': 'is neither a file nor a folder',
  encrypted: 'is encrypted',
  compression: 'is compressed in a way that is not supported; use "deflate" or none',
} as const;
export type ArchiveRule = keyof typeof ARCHIVE_RULES;

/** A name from outside, safe to print: no control characters, not endless. */
export const printable = (name: string): string =>
  JSON.stringify(name.length > 160 ? `${name.slice(0, 157)}...` : name);

/** The error for a rule that was broken, by `entry` or (left out) by the archive as a whole. */
export function refusal(
  rule: ArchiveRule,
  entry?: string,
  detail?: string,
  options: { cause?: unknown } = {},
): MyelinError {
  const subject = entry === undefined ? 'it' : printable(entry);
  const reason = `${subject} ${ARCHIVE_RULES[rule]}${detail === undefined ? '' : ` (${detail})`}`;
  return new MyelinError(
    'ARCHIVE_REFUSED',
    { reason, rule, entry: entry ?? '', advice: `The rule is "${rule}"; nothing was changed.` },
    options,
  );
}
