// The order of the house: a room imports only from rooms above it in this list, and nothing imports `cli`.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOMS = [
  'core',
  'platform',
  'segment',
  'buses',
  'arms',
  'cameras',
  'control',
  'world',
  'policies',
  'inference',
  'serving',
  'remote',
  'recording',
  'cli',
];
const source = resolve(dirname(fileURLToPath(import.meta.url)), '../src');
const IMPORT = /(?:from|import|import\()\s*['"](\.[^'"]+)['"]/g;

const faults = [];
const edges = new Map();
for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.tsx?$/.test(entry.name)) continue;
  const file = join(entry.parentPath ?? entry.path, entry.name);
  const name = relative(source, file);
  const room = name.split('/')[0];
  if (!ROOMS.includes(room))
    faults.push(`src/${name}: "${room}" is not a room (see the list in tools/check-rooms.mjs)`);
  const targets = [...readFileSync(file, 'utf8').matchAll(IMPORT)].map((match) =>
    resolve(dirname(file), match[1]),
  );
  edges.set(file, targets);
  for (const target of targets) {
    const other = relative(source, target).split('/')[0];
    if (ROOMS.indexOf(other) > ROOMS.indexOf(room)) {
      faults.push(`src/${name} imports ${relative(source, target)}: ${room} may not look up to ${other}`);
    }
  }
}

// Circles between files are defects too. Depth-first search with the path on a stack.
const seen = new Map();
const walk = (file, path) => {
  if (seen.get(file) === 'open') {
    const circle = [...path.slice(path.indexOf(file)), file].map((f) => relative(source, f));
    faults.push(`circle: ${circle.join(' -> ')}`);
    return;
  }
  if (seen.has(file)) return;
  seen.set(file, 'open');
  for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
  seen.set(file, 'done');
};
for (const file of edges.keys()) walk(file, []);

if (faults.length > 0) {
  console.error(faults.join('\n'));
  console.error(`${faults.length} broken room rule(s)`);
  process.exit(1);
}
console.log(`rooms: ${edges.size} files, every import looks down`);
