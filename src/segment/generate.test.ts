import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../platform/entry.ts';
import { ARM_LAYOUT, CHUNK_SLOT_LAYOUT } from './arm-layout.ts';
import { generatedFiles, generatedParts } from './generate.ts';

const python = spawnSync('python3', ['-c', '']).status === 0;

describe('generated files', () => {
  for (const [path, content] of Object.entries(generatedFiles())) {
    it(`${path} is what the layout tables say (node tools/generate-segment.mjs writes it)`, () => {
      expect(readFileSync(join(packageRoot(), path), 'utf8')).toBe(content);
    });
  }

  for (const [path, part] of Object.entries(generatedParts())) {
    it(`${path} holds what the layout tables say`, () => {
      expect(readFileSync(join(packageRoot(), path), 'utf8')).toContain(part);
    });
  }

  it('describe every field of the arm segment', () => {
    const page = generatedFiles()['docs/protocols/segment.md'] ?? '';
    for (const name of Object.keys({ ...ARM_LAYOUT, ...CHUNK_SLOT_LAYOUT })) {
      expect(page).toContain(`| ${name} |`);
    }
  });

  it.skipIf(!python)('give Python the same offsets (skipped where there is no python3)', () => {
    const script =
      'import json, layout; print(json.dumps([[n, f.offset, f.length] for n, f in layout.ARM.items()]))';
    const { stdout } = spawnSync('python3', ['-c', script], {
      cwd: join(packageRoot(), 'python/myelin'),
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
      encoding: 'utf8',
    });
    const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    expect(JSON.parse(stdout)).toEqual(
      Object.entries(ARM_LAYOUT).map(([name, { offset, length }]) => [snake(name), offset, length]),
    );
  });
});
