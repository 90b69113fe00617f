import { expect, it } from 'vitest';
import { readExtras, writeExtras } from './extension.ts';

it.each([
  ['noise', 3, 'half a number'],
  ['previous', 6, 'half a number'],
  ['noise', 4, 'not finite'],
  ['previous', 8, 'not finite'],
] as const)('%s of %i bytes that are no numbers is refused', (name, bytes, reason) => {
  const realTimeChunk = { previous: new Float64Array(0), rows: 1, delaySteps: 0, mode: 'guided' } as const;
  const sound = writeExtras({ realTimeChunk });
  expect(() => readExtras({ ...sound, [name]: Buffer.alloc(bytes, 0xff) })).toThrow(
    expect.objectContaining({ code: 'MESSAGE_INVALID', message: expect.stringContaining(`${name} h`) }),
  );
  expect(() => readExtras({ ...sound, [name]: Buffer.alloc(bytes, 0xff) })).toThrow(reason);
});
