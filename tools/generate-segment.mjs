// Writes the files that are generated from the segment's layout tables. Build first: npm run build
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatedFiles, generatedParts } from '../dist/segment/generate.js';
import { CPP_BEGIN, CPP_END } from '../dist/segment/generate-cpp.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
for (const [path, content] of Object.entries(generatedFiles())) {
  const file = resolve(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  console.log(`wrote ${path}`);
}
for (const [path, part] of Object.entries(generatedParts())) {
  const file = resolve(root, path);
  const text = readFileSync(file, 'utf8');
  const [begin, end] = [text.indexOf(CPP_BEGIN), text.indexOf(CPP_END)];
  writeFileSync(file, text.slice(0, begin) + part + text.slice(end + CPP_END.length));
  console.log(`wrote a part of ${path}`);
}
