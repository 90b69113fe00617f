const LITTER_FOLDERS = new Set([
  '__pycache__',
  '.git',
  '.venv',
  'venv',
  '.mypy_cache',
  '.pytest_cache',
  '.ruff_cache',
  '__MACOSX',
]);
const LITTER_FILES = /^(\.DS_Store|Thumbs\.db|.*\.py[co]|.*~|\..*\.sw[op])$/;

/** What tools leave in a project folder and no version should hold. `name` is the last part of a path. */
export const isLitter = (name: string, isFolder: boolean): boolean =>
  isFolder ? LITTER_FOLDERS.has(name) : LITTER_FILES.test(name);

/** The same for a whole path of a file. */
export const isLitterPath = (path: string): boolean => {
  const parts = path.split('/');
  return parts.some((part, index) => isLitter(part, index < parts.length - 1));
};
