import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type PickledRecord, recordBuilder } from './containers.ts';
import { NUMPY, type NumpyArray, numpyValues } from './numpy.ts';
import { isContiguous, TORCH, type TorchTensor } from './torch.ts';
import { loadFromBytes } from './torch-legacy.ts';
import { unpickle } from './unpickle.ts';

const read = (name: string) => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));
const python: Record<string, string> = read('./python.fixture.json').data;
/** What LeRobot's client and server put on the wire, and hand-made hostile messages. */
const wire: { name: string; hex: string; expect: unknown }[] = read('./lerobot-wire.fixture.json').decode;

const HELPERS = 'lerobot.async_inference.helpers';
const allow = new Map([
  ...NUMPY,
  ...TORCH,
  ...['RemotePolicyConfig', 'TimedObservation', 'TimedAction'].map(
    (name) => [`${HELPERS}.${name}`, recordBuilder(name)] as const,
  ),
  ['torch.storage._load_from_bytes', loadFromBytes] as const,
]);
const message = (name: string) => wire.find((each) => each.name === name)!;
const load = (hex: string) => unpickle(Buffer.from(hex, 'hex'), { allow });

describe('arrays and numbers of numpy', () => {
  for (const protocol of [2, 3, 4, 5]) {
    it(`keep shape, order and values, protocol ${protocol}`, () => {
      const value = load(python[`numpy ${protocol}`]!) as Map<string, NumpyArray>;
      const array = (name: string) => value.get(name)!;
      expect([array('a').shape, numpyValues(array('a'))]).toEqual([
        [2, 3],
        [0, 1, 2, 3, 4, 5],
      ]);
      expect([array('b').columnMajor, numpyValues(array('b'))]).toEqual([true, [0, 1, 2, 3, 4, 5]]);
      expect([value.get('c'), numpyValues(array('d')), value.get('e')]).toEqual([0.5, [0, 1, 2], true]);
    });
  }

  it('are refused when they hold objects', () => {
    for (const protocol of [4, 5]) {
      expect(() => load(python[`object array ${protocol}`]!)).toThrow('numpy type "O8"');
    }
  });

  for (const { name, hex, expect: expected } of wire.filter((each) => each.name.startsWith('ndarray'))) {
    it(`are read as LeRobot sends them: ${name}`, () => {
      const array = load(hex) as NumpyArray;
      const data = Array.isArray(expected) ? expected : (expected as { data: unknown }).data;
      expect(numpyValues(array)).toEqual(data);
    });
  }

  for (const { name, hex, expect: expected } of wire.filter((each) => each.name.startsWith('np scalar'))) {
    it(`are read as LeRobot sends them: ${name}`, () => expect(load(hex)).toBe(expected));
  }
});

describe("LeRobot's messages", () => {
  it('give the configuration of a policy', () => {
    const record = load(message('RemotePolicyConfig').hex) as PickledRecord;
    expect(record.className).toBe('RemotePolicyConfig');
    expect(record.fields.get('policy_type')).toBe('act');
    const features = record.fields.get('lerobot_features') as Map<string, Map<string, unknown>>;
    expect([...features.keys()]).toEqual(['observation.state', 'observation.images.front']);
    expect(features.get('observation.images.front')?.get('shape')).toEqual([2, 3, 3]);
  });

  for (const protocol of [4, 5]) {
    it(`give an observation, protocol ${protocol}`, () => {
      const record = load(message(`TimedObservation p${protocol}`).hex) as PickledRecord;
      const observation = record.fields.get('observation') as Map<string, unknown>;
      expect([record.fields.get('timestep'), record.fields.get('must_go')]).toEqual([7, true]);
      expect([observation.get('a.pos'), observation.get('task')]).toEqual([1.5, 'pick up the cube']);
      const front = observation.get('front') as NumpyArray;
      expect([front.shape, front.data.length, front.data[17]]).toEqual([[2, 3, 3], 18, 17]);
    });
  }

  it('give actions that are views of one storage', () => {
    const rows = load(
      message('list[TimedAction] 3x2 (rows are views of one storage)').hex,
    ) as PickledRecord[];
    const tensors = rows.map((row) => row.fields.get('action') as TorchTensor);
    expect(tensors.map(({ offset, shape, type }) => [offset, shape, type])).toEqual([
      [0, [2], 'F32'],
      [2, [2], 'F32'],
      [4, [2], 'F32'],
    ]);
    expect(tensors.every(isContiguous)).toBe(true);
  });

  it('are refused when hostile', () => {
    const hostile = wire.filter(({ name }) => name.startsWith('HOSTILE'));
    expect(hostile.length).toBe(2);
    for (const { hex } of hostile)
      expect(() => load(hex)).toThrow(expect.objectContaining({ code: 'PICKLE_FORBIDDEN' }));
  });
});
