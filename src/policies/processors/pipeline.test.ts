import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { MyelinError } from '../../core/errors.ts';
import { writeSafetensors } from '../safetensors-writer.ts';
import { makeBatch } from './batch.ts';
import { Pipeline } from './pipeline.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-pipeline-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'policy_preprocessor.json');
const open = (...steps: unknown[]) => {
  writeFileSync(file, JSON.stringify({ name: 'policy_preprocessor', steps }));
  return Pipeline.open(file);
};
const state = (...values: number[]) => new Map([['observation.state', Float64Array.from(values)]]);

describe('a processor pipeline', () => {
  it('renames and normalises in the order of its file, and knows what a camera was called before', async () => {
    await writeSafetensors(join(folder, 'stats.safetensors'), [
      { name: 'observation.state.mean', shape: [2], values: () => Float32Array.of(1, 2) },
      { name: 'observation.state.std', shape: [2], values: () => Float32Array.of(2, 4) },
    ]);
    const pipeline = await open(
      {
        registry_name: 'rename_observations_processor',
        config: {
          rename_map: {
            'observation.arm': 'observation.state',
            'observation.images.hand': 'observation.images.wrist',
          },
        },
      },
      { registry_name: 'to_batch_processor', config: {} },
      { registry_name: 'device_processor', config: { device: 'cuda' } },
      {
        registry_name: 'normalizer_processor',
        config: {
          eps: 1e-8,
          features: { 'observation.state': { type: 'STATE', shape: [2] } },
          norm_map: { STATE: 'MEAN_STD' },
        },
        state_file: 'stats.safetensors',
      },
    );
    const vectors = new Map([['observation.arm', Float64Array.of(3, 10)]]);
    pipeline.apply(makeBatch({ vectors }));
    expect([...vectors.keys()]).toEqual(['observation.state']);
    expect(vectors.get('observation.state')?.[1]).toBeCloseTo(2, 6);
    expect(pipeline.sourceOf('observation.images.wrist')).toBe('observation.images.hand');
    expect(pipeline.sourceOf('observation.images.external')).toBe('observation.images.external');
  });

  it('normalises only the observations that are named, when some are', async () => {
    const pipeline = await open({
      registry_name: 'normalizer_processor',
      config: {
        features: { 'observation.state': { type: 'STATE', shape: [2] } },
        norm_map: { STATE: 'MEAN_STD' },
        normalize_observation_keys: ['observation.environment_state'],
      },
      state_file: 'stats.safetensors',
    });
    const vectors = state(3, 10);
    pipeline.apply(makeBatch({ vectors }));
    expect([...(vectors.get('observation.state') ?? [])]).toEqual([3, 10]);
  });

  it('refuses steps it does not know by name, and files outside its folder', async () => {
    await expect(open({ registry_name: 'smooth_actions_processor' })).rejects.toMatchObject({
      code: 'CHECKPOINT_UNSUPPORTED',
      message: expect.stringContaining('the processor step "smooth_actions_processor"'),
    });
    await expect(open({ class: 'evil.Step' })).rejects.toThrow('evil.Step');
    await expect(open({ registry_name: 'constructor' })).rejects.toThrow('constructor');
    const outside = {
      registry_name: 'normalizer_processor',
      config: { features: {}, norm_map: {} },
      state_file: '../secret.safetensors',
    };
    await expect(open(outside)).rejects.toThrow('same folder');
  });

  it('answers any file with a pipeline or an error of its own', async () => {
    const config = fc.oneof(
      fc.jsonValue(),
      fc.record({ features: fc.jsonValue(), norm_map: fc.jsonValue(), rename_map: fc.jsonValue() }),
    );
    const name = fc.constantFrom(
      'normalizer_processor',
      'unnormalizer_processor',
      'rename_observations_processor',
      'x',
    );
    const step = fc.oneof(fc.jsonValue(), fc.record({ registry_name: name, config }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 3 }), async (steps) => {
        const result = await open(...steps).catch((thrown: unknown) => thrown);
        expect(result instanceof Pipeline || result instanceof MyelinError).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
