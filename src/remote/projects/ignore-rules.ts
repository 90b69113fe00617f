/**
 * Rules of `.gitignore`: one pattern a line; `#` begins a comment, `!` takes back, a `/` at the end means folders
 * only, one elsewhere ties the pattern to the root; `*`, `?` and `[a-z]` stay within a name, `**` does not. The last
 * rule that fits decides, and nothing comes back from a folder that is left out.
 */
export class IgnoreRules {
  readonly #rules: readonly Rule[];

  constructor(text: string) {
    this.#rules = text.split(/\r?\n/).flatMap((line) => readRule(line) ?? []);
  }

  /** Whether a file or folder, named relative to the root, is left out. Its folders are asked about first. */
  ignores(path: string, isFolder: boolean): boolean {
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      if (this.#decide(parts.slice(0, depth).join('/'), true)) return true;
    }
    return this.#decide(path, isFolder);
  }

  #decide(path: string, isFolder: boolean): boolean {
    let ignored = false;
    for (const { pattern, foldersOnly, negated } of this.#rules) {
      if ((isFolder || !foldersOnly) && pattern.test(path)) ignored = !negated;
    }
    return ignored;
  }
}

interface Rule {
  readonly pattern: RegExp;
  readonly foldersOnly: boolean;
  readonly negated: boolean;
}

function readRule(line: string): Rule | undefined {
  // Spaces at the end count only when escaped.
  let text = line.replace(/(?<!\\)\s+$/, '');
  if (text === '' || text.startsWith('#')) return undefined;
  const negated = text.startsWith('!');
  if (negated) text = text.slice(1);
  const foldersOnly = text.endsWith('/');
  if (foldersOnly) text = text.slice(0, -1);
  const anchored = text.includes('/');
  if (text.startsWith('/')) text = text.slice(1);
  if (text === '') return undefined;
  try {
    return {
      pattern: new RegExp(`^${anchored ? '' : '(?:.*/)?'}${translate(text)}$`, 'u'),
      foldersOnly,
      negated,
    };
  } catch {
    // A pattern nobody can read fits nothing.
    return undefined;
  }
}

const TOKEN = /\*\*\/|\/\*\*$|\*\*|\*|\?|\[(?:!|\^)?\]?[^\]]*\]|\\.|./gsu;

const translate = (glob: string): string =>
  glob.replace(TOKEN, (token) => {
    if (token === '**/') return '(?:.*/)?';
    if (token === '/**') return '/.+';
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.length > 2 && token.startsWith('[')) {
      const body = token
        .slice(1, -1)
        .replace(/^[!^]/, '')
        .replace(/[\\\]]/g, '\\$&')
        .replace(/\[/g, '\\[');
      return `(?!/)[${/^\[[!^]/.test(token) ? '^' : ''}${body}]`;
    }
    return literal(token.startsWith('\\') && token.length > 1 ? token.slice(1) : token);
  });

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/gu, '\\$&');
