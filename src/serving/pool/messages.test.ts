import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MyelinError } from '../../core/errors.ts';
import type { Observation } from '../../core/observation.ts';
import { writeMessage } from '../openpi/msgpack-writer.ts';
import { type WireMap, type WireValue, wireMap } from '../openpi/wire-value.ts';
import {
  answerSchema,
  readChunk,
  readPoolMessage,
  readSpec,
  requestSchema,
  writeChunk,
  writeSpec,
} from './messages.ts';
import { readError, wireErrorSchema, writeError } from './wire-error.ts';
import { readObservation, writeObservation } from './wire-observation.ts';

const ID = 'abcdefghijkl';
const timing = { queueMs: 1, modelMs: 2, totalMs: 3 };
const invalid = expect.objectContaining({ code: 'MESSAGE_INVALID' });

const WIDTH = 32;
const HEIGHT = 24;
const rgb = Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, i) => (40 + Math.floor(i / 96) * 4) % 256);
const observation: Observation = {
  timestep: 7,
  timestampNs: 1000,
  state: Float64Array.of(0.1, -2),
  velocity: Float64Array.of(0, 1),
  cameras: new Map([
    ['wrist', { name: 'wrist', width: WIDTH, height: HEIGHT, rgb, capturedNs: 400, sequence: 3 }],
  ]),
  task: 'pick up the cube',
  objects: new Map([['cube', Float64Array.of(1, 2, 3, 0, 0, 0, 1)]]),
};

const inferMessage = (wire: WireMap, more: Record<string, WireValue> = {}) =>
  wireMap({
    kind: 'infer',
    id: ID,
    session: ID,
    model: 'act',
    client: 'robot',
    options: wireMap({}),
    observation: wire,
    ...more,
  });

const readInfer = (message: WireMap) => {
  const request = readPoolMessage(requestSchema, writeMessage(message));
  if (request.kind !== 'infer') throw new Error(request.kind);
  return request;
};

describe('messages of the pool', () => {
  it('carry an observation whole, with ages in place of times of another clock', async () => {
    const request = readInfer(inferMessage(await writeObservation(observation)));
    const read = await readObservation(request.observation, 5000);
    expect(read).toEqual({
      ...observation,
      timestampNs: 5000,
      cameras: new Map([['wrist', { ...observation.cameras.get('wrist'), capturedNs: 4400 }]]),
    });
  });

  it('carry pictures as JPEG when asked, nearly the same', async () => {
    const wire = await writeObservation(observation, 90);
    const read = await readObservation(readInfer(inferMessage(wire)).observation, 0);
    const got = read.cameras.get('wrist')!.rgb;
    expect(got).toHaveLength(rgb.length);
    expect(Math.max(...got.map((value, i) => Math.abs(value - rgb[i]!)))).toBeLessThan(40);
    expect(writeMessage(wire).length).toBeLessThan(rgb.length);
  });

  it('refuses a picture that is not what it says', async () => {
    const wire = await writeObservation(observation, 90);
    const [camera] = wire.get('cameras') as readonly WireMap[];
    const with_ = async (change: Record<string, WireValue>) => {
      const cameras = [new Map([...camera!, ...Object.entries(change)])];
      const request = readInfer(inferMessage(new Map([...wire, ['cameras', cameras]])));
      return readObservation(request.observation, 0);
    };
    const svg = new TextEncoder().encode('<svg width="32" height="24" xmlns="http://www.w3.org/2000/svg"/>');
    for (const change of [
      { width: 31 },
      { format: 'rgb8' },
      { data: svg },
      { data: Uint8Array.of(0xff, 0xd8, 0xff) },
    ])
      await expect(with_(change)).rejects.toMatchObject({ code: 'PICTURE_UNDECODABLE' });
  });

  it('carry a chunk and the spec of a policy', () => {
    const chunk = {
      actions: Float64Array.of(1, 2, 3, 4),
      rows: 2,
      dof: 2,
      stepPeriodS: 0.05,
      timestep: 7,
      observedNs: 99,
    };
    const answer = readPoolMessage(answerSchema, writeMessage(writeChunk(ID, ID, chunk, timing)));
    if (answer.kind !== 'chunk') throw new Error(answer.kind);
    expect(readChunk(answer, observation, 2)).toEqual({ ...chunk, observedNs: 1000 });
    expect(() => readChunk(answer, observation, 3)).toThrow(
      expect.objectContaining({ code: 'POLICY_OUTPUT_INVALID' }),
    );
    const broken = { ...chunk, actions: Float64Array.of(1, Number.NaN, 3, 4) };
    const bad = readPoolMessage(answerSchema, writeMessage(writeChunk(ID, ID, broken, timing)));
    expect(() => bad.kind === 'chunk' && readChunk(bad, observation, 2)).toThrow(/NaN/);

    const spec = {
      name: 'act',
      cameras: [
        { name: 'wrist', width: 4, height: 3 },
        { name: 'top', optional: true },
      ],
      stateNames: ['a'],
      actionNames: ['a', 'b'],
      chunkRows: 10,
      actionSteps: 5,
      stepPeriodS: 0.1,
      subtasks: true,
    };
    const opened = wireMap({
      kind: 'opened',
      worker: ID,
      lease_ms: 1000,
      report_ms: 500,
      spec: writeSpec(spec),
      looks_back: false,
    });
    const read = readPoolMessage(answerSchema, writeMessage(opened));
    expect(read.kind === 'opened' && readSpec(read.spec)).toEqual(spec);
  });

  it('carry failures by their code, and say nothing of what is inside', () => {
    const through = (error: MyelinError) =>
      readError(wireErrorSchema.parse(plain(writeError(error, 'box'))), 'box');
    const plain = (map: WireMap) => ({
      code: map.get('code'),
      message: map.get('message'),
      parameters: Object.fromEntries(map.get('parameters') as WireMap),
    });
    const late = new MyelinError('DEADLINE_EXCEEDED', { deadlineMs: 5, stage: 'it waited' });
    expect(through(late)).toMatchObject({ code: late.code, message: late.message });
    const inside = through(new MyelinError('INTERNAL', { detail: '/home/ann/secret' }));
    expect(inside.code).toBe('SERVER_REFUSED');
    expect(inside.message + inside.hint).not.toContain('secret');
    const newer = readError({ code: 'FROM_THE_FUTURE', message: 'words', parameters: {} }, 'box');
    expect(newer.message).toContain('words');
  });

  it.each<[string, Record<string, WireValue>]>([
    ['a field too many', { more: 1 }],
    ['a session that is no name', { session: 'a.b' }],
    ['a name with a wildcard', { id: '>>>>>>>>>>' }],
    ['no model', { model: '' }],
    ['options that are no map', { options: 3 }],
    ['another kind', { kind: 'execute' }],
    ['an observation that is none', { observation: wireMap({ timestep: 1 }) }],
  ])('refuses %s', async (_, change) => {
    const message = inferMessage(await writeObservation(observation), change);
    expect(() => readInfer(message)).toThrow(invalid);
  });

  it('answers any other bytes with a refusal', async () => {
    const good = writeMessage(inferMessage(await writeObservation({ ...observation, cameras: new Map() })));
    const changed = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, value]) => {
      const bytes = good.slice();
      bytes[at] = value;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), changed), (bytes) => {
        for (const schema of [requestSchema, answerSchema]) {
          try {
            readPoolMessage(schema, bytes);
          } catch (thrown) {
            expect(thrown).toEqual(invalid);
          }
        }
      }),
      { numRuns: 3000 },
    );
  });
});
