import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { openTokenizer, Tokenizer } from './tokenizer.ts';

const SMALL = fileURLToPath(new URL('../../../tools/parity/fixtures/smolvla/tokenizer', import.meta.url));
const NAME = 'someone/some-words';
const root = mkdtempSync(join(tmpdir(), 'myelin-tokenizer-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

let folders = 0;
const emptyFolder = (): string => {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
};

describe('a tokenizer', () => {
  it('turns words into numbers and back, whatever they are written in', async () => {
    const tokenizer = await Tokenizer.open(SMALL);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
    expect(tokenizer.encode('')).toEqual([]);
    expect([tokenizer.idOf('<global-img>'), tokenizer.idOf('<no such token>')]).toEqual([4, undefined]);
  });

  it('cuts a long text at the end that its settings say', async () => {
    const left = emptyFolder();
    cpSync(SMALL, left, { recursive: true });
    const settings = JSON.parse(readFileSync(join(left, 'tokenizer_config.json'), 'utf8'));
    writeFileSync(
      join(left, 'tokenizer_config.json'),
      JSON.stringify({ ...settings, truncation_side: 'left' }),
    );
    const text = 'push the button 1234567890';
    const whole = (await Tokenizer.open(SMALL)).encode(text);
    expect((await Tokenizer.open(SMALL)).encode(text, 5)).toEqual(whole.slice(0, 5));
    expect((await Tokenizer.open(left)).encode(text, 5)).toEqual(whole.slice(-5));
    expect((await Tokenizer.open(left)).encode(text, whole.length)).toEqual(whole);
  });

  it('keeps the beginning token of its template when it cuts', async () => {
    const folder = emptyFolder();
    cpSync(SMALL, folder, { recursive: true });
    const file = join(folder, 'tokenizer.json');
    const template = {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<|im_start|>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<|im_start|>': { id: '<|im_start|>', ids: [1], tokens: ['<|im_start|>'] } },
    };
    writeFileSync(
      file,
      JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), post_processor: template }),
    );
    const tokenizer = await Tokenizer.open(folder);
    const whole = tokenizer.encode('push the button');
    expect(whole[0]).toBe(1);
    expect(tokenizer.encode('push the button', 3)).toEqual(whole.slice(0, 3));
  });

  it('is found in the checkpoint first, then in the local Hugging Face cache', async () => {
    const checkpoint = emptyFolder();
    const cache = emptyFolder();
    vi.stubEnv('HF_HUB_CACHE', cache);
    await expect(openTokenizer(checkpoint, NAME)).rejects.toMatchObject({
      code: 'TOKENIZER_MISSING',
      message: expect.stringContaining(`"${NAME}"`),
      hint: expect.stringContaining(join(checkpoint, 'tokenizer')),
    });
    const snapshot = join(cache, 'models--someone--some-words', 'snapshots', 'abc');
    cpSync(SMALL, snapshot, { recursive: true });
    expect((await openTokenizer(checkpoint, NAME)).idOf('<global-img>')).toBe(4);
    rmSync(snapshot, { recursive: true });
    cpSync(SMALL, join(checkpoint, 'words'), { recursive: true });
    expect((await openTokenizer(checkpoint, NAME, 'words')).idOf('<global-img>')).toBe(4);
  });

  it('is never taken from outside because a checkpoint names a place there', async () => {
    vi.stubEnv('HF_HUB_CACHE', emptyFolder());
    const checkpoint = emptyFolder();
    for (const place of [SMALL, '../'.repeat(12) + SMALL, 'tokenizer/../../x']) {
      await expect(openTokenizer(checkpoint, place, place)).rejects.toMatchObject({
        code: 'TOKENIZER_MISSING',
      });
    }
  });

  it('that is broken is refused by name', async () => {
    const folder = emptyFolder();
    const file = join(folder, 'tokenizer.json');
    for (const broken of [
      '{',
      '[]',
      '{"model": {"type": "BPE"}}',
      '{"model": {"type": "Odd", "vocab": {}}}',
    ]) {
      writeFileSync(file, broken);
      await expect(Tokenizer.open(folder)).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(file),
      });
    }
  });
});
