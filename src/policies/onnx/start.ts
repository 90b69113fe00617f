import {
  candidates,
  type Device,
  type DeviceRequest,
  deviceText,
  type Obstacle,
  obstacle,
  type Surroundings,
  startAdvice,
} from './device.ts';

/** The device asked for cannot be had. */
export class DeviceRefusal extends Error {
  readonly device: string;
  readonly advice: string;

  constructor(device: Device, { reason, advice }: Obstacle) {
    super(reason);
    this.device = deviceText(device);
    this.advice = advice;
  }
}

export interface Started<Loaded> {
  readonly loaded: Loaded;
  readonly device: string;
  /** Why that one, for people, after its name. */
  readonly reason: string;
}

/**
 * Loads on the best device that starts. What fails on the CPU is the model's own fault and is thrown on.
 * @throws DeviceRefusal when the device asked for is not there or does not start
 */
export async function startOnBest<Loaded>(
  request: DeviceRequest,
  surroundings: Surroundings,
  load: (device: Device) => Promise<Loaded>,
): Promise<Started<Loaded>> {
  const [first, ...others] = candidates(request, surroundings);
  let failure = '';
  for (let next = first; next !== undefined; next = others.shift()) {
    const { device, reason } = next;
    const against = obstacle(device, surroundings);
    if (against !== undefined) throw new DeviceRefusal(device, against);
    try {
      return { loaded: await load(device), device: deviceText(device), reason: `${reason}${failure}` };
    } catch (thrown) {
      if (device.name === 'cpu') throw thrown;
      const cause = firstLine(thrown instanceof Error ? thrown.message : String(thrown));
      if (others.length === 0)
        throw new DeviceRefusal(device, { reason: cause, advice: startAdvice(device) });
      failure = `: ${cause}. ${startAdvice(device)}`;
    }
  }
  throw new RangeError('there is no device to run on');
}

/** The runtime's errors begin with places in its source and the check that failed, and may go on for pages. */
const firstLine = (text: string): string =>
  (text.trim().split('\n')[0] ?? '').replace(/^.* was false\. /, '').slice(-300);
