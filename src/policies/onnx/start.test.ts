import { describe, expect, it } from 'vitest';
import { type Device, deviceText, type Surroundings } from './device.ts';
import { startOnBest } from './start.ts';

const CUDA: Surroundings = {
  platform: 'linux/x64',
  offered: ['cpu', 'webgpu', 'cuda'],
  missing: {},
  nvidia: true,
  graphicsMiB: 0,
  installCommand: 'node install.js',
};

const loader = (...failing: string[]) => {
  const tried: string[] = [];
  const load = async (device: Device) => {
    tried.push(deviceText(device));
    if (failing.includes(device.name)) {
      throw new Error('/src/cuda.cc:136 void Start() status == 0 was false. No CUDA driver\nand a page more');
    }
    return `loaded on ${deviceText(device)}`;
  };
  return { tried, load };
};

describe('a model that is started', () => {
  it('takes the best device', async () => {
    const { tried, load } = loader();
    const started = await startOnBest('auto', CUDA, load);
    expect(started).toMatchObject({ loaded: 'loaded on cuda', device: 'cuda' });
    expect(tried).toEqual(['cuda']);
  });

  it('falls back to the CPU when that does not start, and says why and what to do', async () => {
    const { tried, load } = loader('cuda');
    const started = await startOnBest('auto', CUDA, load);
    expect(tried).toEqual(['cuda', 'cpu']);
    expect(started.device).toBe('cpu');
    expect(started.reason).toMatch(/^as CUDA did not start: No CUDA driver\. CUDA 12 and cuDNN 9 must/);
  });

  it('is refused when the device asked for does not start', async () => {
    const { tried, load } = loader('cuda');
    await expect(startOnBest({ name: 'cuda', index: 1 }, CUDA, load)).rejects.toMatchObject({
      device: 'cuda:1',
      message: 'No CUDA driver',
      advice: expect.stringContaining('nvidia-smi'),
    });
    expect(tried).toEqual(['cuda:1']);
  });

  it('is refused when the device asked for is not there, without trying it', async () => {
    const { tried, load } = loader();
    await expect(startOnBest({ name: 'coreml', index: 0 }, CUDA, load)).rejects.toMatchObject({
      device: 'coreml',
      message: expect.stringContaining('no coreml provider'),
    });
    expect(tried).toEqual([]);
  });

  it('fails with its own error when the CPU cannot load it either', async () => {
    await expect(startOnBest('auto', CUDA, loader('cuda', 'cpu').load)).rejects.toThrow('/src/cuda.cc:136');
  });
});
