import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64, liftBase64, liftedText } from './lift-base64.ts';

const decode = async (text: string): Promise<Buffer> => {
  const parts: Buffer[] = [];
  await decodeBase64(liftedText(text), async (bytes) => parts.push(bytes));
  return Buffer.concat(parts);
};

describe('base64 in long messages', () => {
  const archive = randomBytes(3_000_001);
  const data = archive.toString('base64');

  it.each([
    ['a WebSocket message', { command: 'update', id: 3, data }],
    ['its other spelling', { command: 'update', zip_data: data, project: 'ä' }],
    ['a Socket.IO packet', ['update', { data }]],
  ])('is found in %s, and comes out whole', async (_what, message) => {
    const json = JSON.stringify(message);
    const found = liftBase64(json);
    expect(`${found?.before}NAME${found?.after}`).toBe(json.replace(data, 'NAME'));
    const parts: Buffer[] = [];
    if (found !== undefined) await decodeBase64(found.lifted, async (bytes) => parts.push(bytes));
    expect(Buffer.concat(parts).equals(archive)).toBe(true);
  });

  it('is left alone in short messages, with escapes, far from the beginning, or without an end', () => {
    const blanks = ' '.repeat(5000);
    for (const json of [
      '{"data":"AAAA"}',
      `{"data":"${'A'.repeat(70_000)}\\/"}`,
      `{${blanks}"data":"${'A'.repeat(70_000)}"}`,
      `{"data":"${'A'.repeat(70_000)}`,
      `{"note":"${'A'.repeat(70_000)}"}`,
    ])
      expect(liftBase64(json)).toBeUndefined();
  });

  it('is read as every base64 writer writes it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 1, max: 80 }),
        async (bytes, width) => {
          const text = Buffer.from(bytes).toString('base64');
          const lines = text.replace(new RegExp(`.{${width}}`, 'g'), '$&\r\n');
          for (const form of [text, lines, text.replace(/=+$/, ''), Buffer.from(bytes).toString('base64url')])
            expect((await decode(form)).equals(Buffer.from(bytes))).toBe(true);
        },
      ),
    );
  });

  it.each(['%%%%', 'AAA=AAAA', 'A', '=', 'AAAA====', 'AA\0A', 'é'.repeat(8), `${'A'.repeat(1 << 20)}=AAA`])(
    'is refused when it is not base64',
    async (text) => {
      await expect(decode(text)).rejects.toMatchObject({ code: 'ARCHIVE_REFUSED' });
    },
  );
});
