import { DEVICE_NAMES, obstacle, parseDevice } from '../../policies/onnx/device.ts';
import { lookAround } from '../../policies/onnx/surroundings.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';

/**
 * What models can run on here.
 * @param request as `--device` takes it; `auto` makes a graphics card that cannot be used a warning only
 */
export const acceleratorsCheck = (request = 'auto'): Check => ({
  name: 'gpu',
  title: 'Model devices',
  deadlineMs: 15_000,
  look: async () => {
    const runtime = await load();
    if (runtime === undefined)
      return [problem('the model runtime cannot be loaded', 'Install the packages again: npm ci')];
    const surroundings = lookAround(runtime);
    const device = parseDevice(request);
    if (device !== 'auto') {
      const against = obstacle(device, surroundings);
      return [
        against === undefined
          ? ok(`${request} can be used`, { device: request })
          : problem(`${request} cannot be used: ${against.reason}`, against.advice, { device: request }),
      ];
    }
    const offered = DEVICE_NAMES.filter((name) => surroundings.offered.includes(name));
    const usable = offered.filter((name) => obstacle({ name, index: 0 }, surroundings) === undefined);
    const findings: Finding[] = [ok(`${usable.join(', ')}`, { usable, nvidia: surroundings.nvidia })];
    const cuda = obstacle({ name: 'cuda', index: 0 }, surroundings);
    if (surroundings.nvidia && cuda !== undefined)
      findings.push(warning(`the NVIDIA graphics card is not used: ${cuda.reason}`, cuda.advice));
    return findings;
  },
});

async function load(): Promise<typeof import('onnxruntime-node') | undefined> {
  try {
    return await import('onnxruntime-node');
  } catch {
    return undefined;
  }
}
