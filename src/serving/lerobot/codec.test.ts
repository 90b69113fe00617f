import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CODECS, codecOf } from './codec.ts';
import type { ObservationValue, RemotePolicyConfig, TimedActions, TimedObservation } from './messages.ts';
import { numbersOf, type WireArray } from './wire-array.ts';

/** What LeRobot's own client and server wrote, and what LeRobot was seen to read. */
interface Golden {
  readonly name: string;
  readonly hex: string;
  readonly expect: unknown;
}
const wire: { decode: Golden[]; emit: Golden[]; captured: Golden[] } = JSON.parse(
  readFileSync(new URL('../../policies/pickle/lerobot-wire.fixture.json', import.meta.url), 'utf8'),
);
const captured: Record<string, string> = JSON.parse(
  readFileSync(new URL('./captured.fixture.json', import.meta.url), 'utf8'),
);
const golden = (name: string) => Buffer.from(wire.decode.find((each) => each.name === name)!.hex, 'hex');
const bytesOf = (hex: string) => Buffer.from(hex, 'hex');
const { pickle, safetensors } = CODECS;

const picture: WireArray = {
  type: 'U8',
  shape: [2, 3, 3],
  bytes: Uint8Array.from({ length: 18 }, (_, i) => i),
};
const config: RemotePolicyConfig = {
  policyType: 'act',
  pretrainedNameOrPath: 'user/model',
  features: new Map([
    ['observation.state', { dtype: 'float32', shape: [2], names: ['a.pos', 'b.pos'] }],
    [
      'observation.images.front',
      { dtype: 'image', shape: [2, 3, 3], names: ['height', 'width', 'channels'] },
    ],
  ]),
  actionsPerChunk: 50,
  device: 'cuda',
  renameMap: new Map([['observation.images.front', 'observation.images.top']]),
};

describe("LeRobot's messages as pickles", () => {
  it('read the configuration of a policy as the stock client sends it', () => {
    const read = pickle.readPolicyConfig(golden('RemotePolicyConfig'));
    expect(read).toEqual({ ...config, renameMap: new Map() });
    expect(pickle.readPolicyConfig(bytesOf(captured.policy!))).toMatchObject({
      policyType: 'act',
      pretrainedNameOrPath: 'u/m',
      actionsPerChunk: 20,
    });
  });

  for (const protocol of ['p4', 'p5']) {
    it(`read an observation, protocol ${protocol}`, () => {
      const read = pickle.readObservation(golden(`TimedObservation ${protocol}`));
      expect([read.timestampS, read.timestep, read.mustGo]).toEqual([1700000000.25, 7, true]);
      expect([...read.values.keys()]).toEqual(['a.pos', 'b.pos', 'front', 'task']);
      expect(read.values.get('b.pos')).toBe(-2.25);
      expect(read.values.get('task')).toBe('pick up the cube');
      expect(read.values.get('front')).toEqual({ ...picture, bytes: expect.any(Uint8Array) });
      expect(numbersOf(read.values.get('front') as WireArray)).toEqual(numbersOf(picture));
    });
  }

  it('read an observation captured off the wire from the stock client', () => {
    const read = pickle.readObservation(bytesOf(captured.observation!));
    expect([read.timestep, read.mustGo]).toEqual([81, false]);
    expect((read.values.get('front') as WireArray).shape).toEqual([48, 64, 3]);
  });

  it('read actions that are views of one storage, in every element type', () => {
    const read = pickle.readActions(golden('list[TimedAction] 3x2 (rows are views of one storage)'));
    expect([...read.actions]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(read).toMatchObject({
      dof: 2,
      rows: [
        { timestampS: 10, timestep: 7 },
        { timestampS: 10.5, timestep: 8 },
        { timestampS: 11, timestep: 9 },
      ],
    });
  });

  it('write actions in the compact form that LeRobot was seen to read, byte for byte', () => {
    const actions: TimedActions = {
      actions: Float32Array.from([0, 1, 2, 3, 4, 5]),
      dof: 2,
      rows: [10, 10.5, 11].map((timestampS, i) => ({ timestampS, timestep: 7 + i })),
    };
    const expected = wire.emit.find(({ name }) => name.startsWith('ours: shared storage'))!;
    expect(Buffer.from(pickle.writeActions(actions)).toString('hex')).toBe(expected.hex);
  });

  it('write a chunk of 50 x 6 in 4951 bytes, byte for byte what LeRobot was seen to read', () => {
    const bytes = bytesOf(captured.actions!);
    const read = pickle.readActions(bytes);
    expect([read.rows.length, read.dof, bytes.length]).toEqual([50, 6, 4951]);
    expect(Buffer.from(pickle.writeActions(read)).equals(bytes)).toBe(true);
  });

  it('refuse every other name, and every message of another kind', () => {
    for (const { hex } of wire.decode.filter(({ name }) => name.startsWith('HOSTILE'))) {
      for (const read of [pickle.readActions, pickle.readObservation, pickle.readPolicyConfig]) {
        expect(() => read(bytesOf(hex))).toThrow(expect.objectContaining({ code: 'PICKLE_FORBIDDEN' }));
      }
    }
    const config = golden('RemotePolicyConfig');
    expect(() => pickle.readObservation(config)).toThrow('it is not a TimedObservation');
    expect(() => pickle.readActions(config)).toThrow('it is not a list of actions');
    expect(() => pickle.readPolicyConfig(golden('TimedObservation p4'))).toThrow('not a RemotePolicyConfig');
    expect(() => pickle.readActions(golden('tensor float64'))).toThrow('not a list of actions');
  });
});

describe('both forms of the messages', () => {
  for (const codec of [pickle, safetensors]) {
    it(`${codec.name}: keep a configuration`, () => {
      const bytes = codec.writePolicyConfig(config);
      expect(codecOf(bytes)).toBe(codec);
      expect(codec.readPolicyConfig(bytes)).toEqual(config);
    });

    it(`${codec.name}: keep any observation`, () => {
      const value = fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true }).filter((x) => !Object.is(x, -0)),
        fc.string({ maxLength: 300 }),
        fc.constant(picture),
        fc
          .uint8Array({ minLength: 1, maxLength: 9000 })
          .map((bytes): WireArray => ({ type: 'U8', shape: [bytes.length], bytes })),
      );
      const key = fc
        .string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' })
        .filter((k) => k !== '__proto__' && k !== '__metadata__');
      const observation = fc.record({
        timestampS: fc.double({ min: 0, max: 4e9, noNaN: true }),
        timestep: fc.integer({ min: 0, max: 2 ** 40 }),
        mustGo: fc.boolean(),
        values: fc.dictionary(key, value, { maxKeys: 8 }).map((it) => new Map(Object.entries(it))),
      });
      fc.assert(
        fc.property(observation, (it) => {
          const read = codec.readObservation(codec.writeObservation(it as TimedObservation));
          expect({ ...read, values: undefined }).toEqual({ ...it, values: undefined });
          expect(read.values.size).toBe(it.values.size);
          for (const [name, expected] of it.values) {
            const found = read.values.get(name);
            if (typeof expected === 'object') {
              const array = found as WireArray;
              expect([array.type, array.shape]).toEqual([expected.type, expected.shape]);
              expect(Buffer.from(array.bytes).equals(expected.bytes)).toBe(true);
            } else expect(found).toBe(expected);
          }
        }),
        { numRuns: 60 },
      );
    });

    it(`${codec.name}: keep any actions`, () => {
      const chunk = fc
        .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 33 }))
        .chain(([rows, dof]) =>
          fc.record({
            dof: fc.constant(dof),
            actions: fc.float32Array({ minLength: rows * dof, maxLength: rows * dof, noNaN: true }),
            rows: fc.array(
              fc.record({
                timestampS: fc.double({ min: 0, max: 4e9, noNaN: true }),
                timestep: fc.integer({ min: 0, max: 2 ** 40 }),
              }),
              { minLength: rows, maxLength: rows },
            ),
          }),
        );
      fc.assert(
        fc.property(chunk, (it) => {
          const read = codec.readActions(codec.writeActions(it));
          expect(Buffer.from(read.actions.buffer).equals(Buffer.from(it.actions.buffer))).toBe(true);
          expect({ ...read, actions: 0 }).toEqual({ ...it, actions: 0 });
        }),
        { numRuns: 40 },
      );
    });

    it(`${codec.name}: answer anything else with an error of the table`, () => {
      const start = Buffer.from(
        codec.writeObservation({
          timestampS: 1,
          timestep: 1,
          mustGo: true,
          values: new Map<string, ObservationValue>([
            ['front', picture],
            ['task', 'x'],
          ]),
        }),
      );
      const damaged = fc
        .array(fc.tuple(fc.nat(start.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 })
        .map((edits) => {
          const bytes = Buffer.from(start);
          for (const [at, byte] of edits) bytes[at] = byte;
          return bytes;
        });
      const cut = fc.nat(start.length - 1).map((length) => start.subarray(0, length));
      const any = fc.uint8Array({ maxLength: 200 });
      fc.assert(
        fc.property(fc.oneof(damaged, cut, any), (bytes) => {
          for (const read of [codec.readObservation, codec.readPolicyConfig, codec.readActions]) {
            try {
              read(bytes);
            } catch (thrown) {
              expect((thrown as { code?: string }).code).toMatch(
                /^(MESSAGE_INVALID|PICKLE_INVALID|PICKLE_FORBIDDEN|CHECKPOINT_INVALID)$/,
              );
            }
          }
        }),
        { numRuns: 400 },
      );
    });
  }

  it('are told apart by their first byte', () => {
    expect(codecOf(golden('RemotePolicyConfig'))).toBe(pickle);
    expect(codecOf(bytesOf('0000000a7b7d'))).toBe(safetensors);
    expect(() => codecOf(new Uint8Array(0))).toThrow('it is empty');
  });
});
