import { describe, expect, it } from 'vitest';
import {
  candidates,
  deviceText,
  executionProviders,
  obstacle,
  parseDevice,
  type Surroundings,
} from './device.ts';

const PLAIN: Surroundings = {
  platform: 'linux/x64',
  offered: ['cpu', 'webgpu', 'cuda', 'tensorrt'],
  missing: { cuda: ['libonnxruntime_providers_cuda.so'] },
  nvidia: false,
  graphicsMiB: 0,
  installCommand: 'node install.js',
};
const CUDA: Surroundings = { ...PLAIN, missing: {}, nvidia: true };
const cuda = { name: 'cuda', index: 0 } as const;

describe('--device', () => {
  it.each([
    ['cpu', 'cpu', ['cpu']],
    ['cuda', 'cuda', [{ name: 'cuda', deviceId: 0 }, 'cpu']],
    ['cuda:2', 'cuda:2', [{ name: 'cuda', deviceId: 2 }, 'cpu']],
    ['tensorrt:1', 'tensorrt:1', [{ name: 'tensorrt', deviceId: 1 }, 'cpu']],
    ['dml:1', 'dml:1', [{ name: 'dml', deviceId: 1 }, 'cpu']],
    ['webgpu', 'webgpu', ['webgpu', 'cpu']],
    ['coreml', 'coreml', ['coreml', 'cpu']],
  ])('%s is that device, with the CPU for what it cannot run', (text, name, providers) => {
    const device = parseDevice(text);
    expect(device).not.toBe('auto');
    if (device === 'auto') return;
    expect(deviceText(device)).toBe(name);
    expect(executionProviders(device)).toEqual(providers);
  });

  it.each(['', 'gpu', 'CPU', 'cuda:', 'cuda:-1', 'cuda:0000', 'cpu:1', 'webgpu:1', 'auto:0', 'cuda 1'])(
    '"%s" is refused with what is allowed',
    (text) => {
      expect(() => parseDevice(text)).toThrow(/--device is .*, but must be auto, cpu, cuda\[:n\]/);
    },
  );
});

describe("the device of one's own choice", () => {
  it('is the CPU without a graphics card, however much the runtime offers', () => {
    expect(candidates('auto', PLAIN)).toEqual([
      { device: { name: 'cpu', index: 0 }, reason: 'as there is no NVIDIA graphics card' },
    ]);
    expect(candidates('auto', { ...CUDA, nvidia: false }).map(({ device }) => device.name)).toEqual(['cpu']);
  });

  it('is CUDA where card and libraries are there, and the CPU should it not start', () => {
    expect(candidates('auto', CUDA).map(({ device }) => device.name)).toEqual(['cuda', 'cpu']);
  });

  it('is the CPU beside a card without libraries, and says how to get them', () => {
    const [only, ...others] = candidates('auto', { ...PLAIN, nvidia: true });
    expect(others).toEqual([]);
    expect(only?.device.name).toBe('cpu');
    expect(only?.reason).toMatch(
      /libonnxruntime_providers_cuda.so is not installed\. Fetch it with: node install.js/,
    );
  });

  it('comes with a word about engines of their own on a large card', () => {
    const reasons = (surroundings: Surroundings) =>
      candidates('auto', surroundings)
        .map(({ reason }) => reason)
        .join();
    const engine = /its 80 GiB the policy's own engine is fastest.*--policy openpi:\/\//;
    expect(reasons({ ...CUDA, graphicsMiB: 81_920 })).toMatch(engine);
    expect(reasons({ ...PLAIN, nvidia: true, graphicsMiB: 81_920 })).toMatch(engine);
    expect(reasons({ ...CUDA, graphicsMiB: 8192 })).not.toMatch(/openpi/);
  });

  it('is never another than the one asked for', () => {
    expect(candidates({ name: 'webgpu', index: 0 }, CUDA).map(({ device }) => device.name)).toEqual([
      'webgpu',
    ]);
  });
});

describe('what stands against a device', () => {
  it('is a provider the runtime lacks here', () => {
    const against = obstacle({ name: 'coreml', index: 0 }, PLAIN);
    expect(against?.reason).toBe('the model runtime has no coreml provider for linux/x64');
    expect(against?.advice).toBe('Here it has: cpu, webgpu, cuda, tensorrt.');
  });

  it('is a library, a graphics card, or nothing', () => {
    expect(obstacle(cuda, PLAIN)?.reason).toMatch(/not installed/);
    expect(obstacle(cuda, { ...CUDA, nvidia: false })?.reason).toMatch(/no NVIDIA graphics card/);
    expect(obstacle(cuda, CUDA)).toBeUndefined();
    expect(obstacle({ name: 'cpu', index: 0 }, PLAIN)).toBeUndefined();
  });
});
