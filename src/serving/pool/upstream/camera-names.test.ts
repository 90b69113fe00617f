import { describe, expect, it } from 'vitest';
import { observationOf } from '../../engine/testing.ts';
import { EchoPolicy } from '../../testing.ts';
import { withCameraNames } from './camera-names.ts';

const frame = (name: string) => ({
  name,
  width: 1,
  height: 1,
  rgb: new Uint8Array(3),
  capturedNs: 0,
  sequence: 1,
});
const seeing = (...names: string[]) => ({
  ...observationOf(1),
  cameras: new Map(names.map((name) => [name, frame(name)])),
});

describe('a policy with cameras by other names', () => {
  it('asks for them by the robot’s names, and is shown them by its own', async () => {
    const echo = new EchoPolicy({
      cameras: [{ name: 'base_0_rgb' }, { name: 'wrist', optional: true }],
      subtasks: true,
    });
    const policy = withCameraNames(echo, { base_0_rgb: 'front' });
    expect(policy.spec.cameras).toEqual([{ name: 'front' }, { name: 'wrist', optional: true }]);
    await policy.infer(seeing('front', 'wrist', 'other'));
    await policy.generateSubtask?.(seeing('front'), { maxDecodingSteps: 1, temperature: 0 });
    const shown = [echo.seen[0]!, echo.subtasksSeen[0]!].map(({ observation }) => [
      ...observation.cameras.values(),
    ]);
    expect(shown.map((cameras) => cameras.map(({ name }) => name))).toEqual([
      ['base_0_rgb', 'wrist'],
      ['base_0_rgb'],
    ]);
  });

  it('is the same policy where no name differs', () => {
    const echo = new EchoPolicy();
    expect(withCameraNames(echo, {})).toBe(echo);
  });
});
