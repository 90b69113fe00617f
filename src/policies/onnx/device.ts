import { MyelinError } from '../../core/errors.ts';

/** What models can run on, by the names ONNX Runtime gives its execution providers. */
export const DEVICE_NAMES = ['cpu', 'cuda', 'tensorrt', 'webgpu', 'dml', 'coreml'] as const;
export type DeviceName = (typeof DEVICE_NAMES)[number];

/** `cuda:1` is the second one of its kind. */
export interface Device {
  readonly name: DeviceName;
  readonly index: number;
}

/** What a person asked for; `auto` leaves the choice to the machine. */
export type DeviceRequest = Device | 'auto';

/** Those of which a machine may have several. */
const NUMBERED: readonly DeviceName[] = ['cuda', 'tensorrt', 'dml'];

/** What `--device` accepts, for people. */
export const DEVICE_SYNTAX = 'auto, cpu, cuda[:n], tensorrt[:n], webgpu, dml[:n] or coreml';

/** @throws MyelinError INVALID_ARGUMENT */
export function parseDevice(text: string): DeviceRequest {
  if (text === 'auto') return 'auto';
  const [, word, index] = /^([a-z]+)(?::(\d{1,3}))?$/.exec(text) ?? [];
  const name = DEVICE_NAMES.find((each) => each === word);
  if (name === undefined || (index !== undefined && !NUMBERED.includes(name))) {
    throw new MyelinError('INVALID_ARGUMENT', { name: '--device', value: text, allowed: DEVICE_SYNTAX });
  }
  return { name, index: Number(index ?? 0) };
}

export const deviceText = ({ name, index }: Device): string => (index === 0 ? name : `${name}:${index}`);

/** What there is to choose from. */
export interface Surroundings {
  /** For example `linux/x64`. */
  readonly platform: string;
  /** Providers that the runtime was built with here. */
  readonly offered: readonly string[];
  /** Libraries of providers that come apart from the runtime and are not there. */
  readonly missing: Readonly<Partial<Record<DeviceName, readonly string[]>>>;
  /** Whether the machine has a graphics card of NVIDIA with its driver. */
  readonly nvidia: boolean;
  /** Memory of the largest of them, MiB; 0 when it is not known. */
  readonly graphicsMiB: number;
  /** Command that fetches the libraries that are missing. */
  readonly installCommand: string;
}

/** A device to try, and why. */
export interface Candidate {
  readonly device: Device;
  /** For people, after the device's name: `as asked for`. */
  readonly reason: string;
}

/** Why a device cannot be had, and what to do about it. */
export interface Obstacle {
  readonly reason: string;
  readonly advice: string;
}

const CPU: Device = { name: 'cpu', index: 0 };

/**
 * Devices to try, best first. `auto` takes CUDA where it is whole, else the CPU: the other providers are experimental
 * or run few of these models' operators, so they are for those who ask.
 */
export function candidates(request: DeviceRequest, surroundings: Surroundings): Candidate[] {
  if (request !== 'auto') return [{ device: request, reason: 'as asked for' }];
  const cuda: Device = { name: 'cuda', index: 0 };
  const without = obstacle(cuda, surroundings);
  const hint = engineHint(surroundings);
  if (without === undefined && surroundings.nvidia) {
    return [
      { device: cuda, reason: `as there is an NVIDIA graphics card${hint}` },
      { device: CPU, reason: 'as CUDA did not start' },
    ];
  }
  if (surroundings.nvidia && without !== undefined) {
    return [
      {
        device: CPU,
        reason: `although there is an NVIDIA graphics card: ${without.reason}. ${without.advice}${hint}`,
      },
    ];
  }
  return [{ device: CPU, reason: 'as there is no NVIDIA graphics card' }];
}

/** From this on a card holds the large policies in the precision their own engines run them in, MiB. */
const LARGE_CARD_MIB = 15_000;

/** What is faster yet on a large card, for people, as another sentence; empty for others. */
function engineHint({ graphicsMiB }: Surroundings): string {
  if (graphicsMiB < LARGE_CARD_MIB) return '';
  const memory = `${Math.round(graphicsMiB / 1024)} GiB`;
  return ` (with its ${memory} the policy's own engine is fastest: serve it there, then --policy openpi://HOST:PORT in place of -c)`;
}

/** What stands against using that device here; undefined when nothing is known to. */
export function obstacle(device: Device, surroundings: Surroundings): Obstacle | undefined {
  const { platform, offered, missing, nvidia, installCommand } = surroundings;
  const { name } = device;
  if (!offered.includes(name)) {
    const here = offered.filter((each) => DEVICE_NAMES.some((known) => known === each)).join(', ');
    return {
      reason: `the model runtime has no ${name} provider for ${platform}`,
      advice: `Here it has: ${here}.`,
    };
  }
  const libraries = missing[name] ?? [];
  if (libraries.length > 0) {
    return {
      reason: `${libraries.join(' and ')} ${libraries.length === 1 ? 'is' : 'are'} not installed`,
      advice: `Fetch ${libraries.length === 1 ? 'it' : 'them'} with: ${installCommand}  (CUDA 12 and cuDNN 9 must be installed too).`,
    };
  }
  if ((name === 'cuda' || name === 'tensorrt') && !nvidia) {
    return { reason: 'there is no NVIDIA graphics card with its driver', advice: 'Check with: nvidia-smi' };
  }
  return undefined;
}

/** What to do about a device that was there and yet did not start. */
export function startAdvice({ name }: Device): string {
  switch (name) {
    case 'cuda':
      return 'CUDA 12 and cuDNN 9 must be installed; check with: nvidia-smi; ldconfig -p | grep -E "libcudart.so.12|libcudnn.so.9"';
    case 'tensorrt':
      return 'CUDA 12, cuDNN 9 and TensorRT 10 must be installed; check with: ldconfig -p | grep libnvinfer.so.10';
    case 'webgpu':
      return 'On Linux it needs a Vulkan driver; check with: vulkaninfo --summary';
    default:
      return 'Use --device cpu.';
  }
}

/** Execution providers to hand to the runtime: the CPU runs what the device cannot. */
export function executionProviders({ name, index }: Device): (string | { name: string; deviceId: number })[] {
  if (name === 'cpu') return ['cpu'];
  return [NUMBERED.includes(name) ? { name, deviceId: index } : name, 'cpu'];
}
