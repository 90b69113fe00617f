// Writes docs/configuration.md from the table of settings. Build first: npm run build
import { writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configPage } from '../dist/remote/config/config-page.js';

const file = resolve(dirname(fileURLToPath(import.meta.url)), '../docs/configuration.md');
writeFileSync(file, configPage());
console.log('wrote docs/configuration.md');
