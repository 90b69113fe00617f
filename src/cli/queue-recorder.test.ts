import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ControlState } from '../core/control-state.ts';
import type { InferenceNode, InferenceStatus } from '../inference/inference-node.ts';
import { plotFile, QueueRecorder } from './queue-recorder.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'myelin-queue-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A node whose status is read in the order given, the last one for ever. */
function node(...statuses: Partial<InferenceStatus>[]) {
  let looks = 0;
  const seen = {
    get looks(): number {
      return looks;
    },
  };
  const watched = {
    get status() {
      const now = statuses[Math.min(looks, statuses.length - 1)];
      looks += 1;
      return { queueCapacity: 50, inferences: 1, controlState: ControlState.RUNNING, ...now };
    },
  } as Pick<InferenceNode, 'status'>;
  return { watched, seen };
}

describe('the plot of the action queue', () => {
  it.each([
    ['True', true],
    ['true', true],
    ['False', false],
    ['a/queue.svg', 'a/queue.svg'],
    ['queue.PNG', 'queue.PNG'],
  ])('is asked for as LeRobot does or by a file: %s', (text, value) => {
    expect(plotFile(text)).toBe(value);
  });

  it.each(['queue', 'queue.jpg', ''])('is refused as "%s", which is no picture it can draw', (text) => {
    expect(() => plotFile(text)).toThrow('ends with .svg or .png');
  });

  it('is refused before the arm moves when its folder is not there', () => {
    expect(() => new QueueRecorder(join(folder, 'missing', 'q.svg'))).toThrow('cannot be written');
  });

  it.each([
    ['q.svg', '<svg'],
    ['q.png', '\x89PNG'],
  ])('counts only what the arm ran, and is what its name says: %s', async (name, head) => {
    const recorder = new QueueRecorder(join(folder, name));
    const { watched, seen } = node(
      { queueDepth: 0, controlState: ControlState.IDLE },
      { queueDepth: 0, inferences: 0 },
      { queueDepth: 0, controlState: ControlState.PAUSED },
      { queueDepth: 20 },
      { queueDepth: 10 },
    );
    recorder.watch(watched);
    await expect.poll(() => seen.looks).toBeGreaterThan(6);
    expect(await recorder.write()).toContain('empty 0.0 % of the time the arm ran');
    expect(readFileSync(join(folder, name), 'latin1').slice(0, 4)).toBe(head);
  });

  it('is not made of nothing', async () => {
    const recorder = new QueueRecorder(join(folder, 'none.svg'));
    expect(await recorder.write()).toContain('the arm executed no actions');
  });
});
