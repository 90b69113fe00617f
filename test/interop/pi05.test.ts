import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Engine } from '../../src/serving/engine/engine.ts';
import { startPi05Server } from '../../src/serving/pi05/pi05-server.ts';
import { EchoPolicy } from '../../src/serving/testing.ts';
import { start } from '../support/processes.ts';
import { openpiPython } from './python-peers.ts';
import { ROOT } from './venv.ts';

const python = openpiPython() ?? '';
type Event = Record<string, unknown> & { event: string };

describe.skipIf(python === '')('a Python client of the pi0.5 protocol, over `websockets`', () => {
  it('gets metadata, answers, refreshes on what it last showed, and errors; several at once', async () => {
    const cameras = ['base_0_rgb', 'left_wrist_0_rgb', 'right_wrist_0_rgb'].map((name, i) => ({
      name,
      optional: i > 0,
    }));
    const policy = new EchoPolicy({ cameras, subtasks: true });
    await using engine = new Engine({ policies: new Map([['echo', policy]]) });
    await using server = await startPi05Server(engine, { port: 0 });
    const script = join(ROOT, 'test/interop/python/pi05_session.py');
    const run = start([python, script, `ws://127.0.0.1:${server.port}`]);
    expect(await run.exited, run.output()).toBe(0);
    const events = run
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Event);
    const find = (name: string) => events.find(({ event }) => event === name) as Event;

    expect(find('metadata').metadata).toMatchObject({
      server_type: 'AsyncPi05Inference',
      capabilities: ['subtask_generation', 'action_prediction'],
      supported_image_types: cameras.map(({ name }) => name),
    });
    expect(find('answer').answer).toMatchObject({
      status: 'success',
      actions: [[Array(32).fill(0), Array(32).fill(1), Array(32).fill(2)]],
      subtask: 'step 1 of Pick up the flashcard on the table',
      subtask_tokens: [7, 8, 1],
      state: Array(32).fill(0),
      timing: { total_ms: expect.any(Number), action_ms: expect.any(Number), subtask_ms: expect.any(Number) },
      server_timing: { total_ms: expect.any(Number) },
      subtask_refresh_enabled: false,
    });
    expect(find('no subtask').subtask).toBeNull();
    expect(policy.seen[1]?.options.noise).toEqual(new Float32Array(96));
    expect(find('error').answer).toMatchObject({ status: 'error', code: 'MESSAGE_INVALID' });
    for (const form of ['JPEG', 'PNG', 'msgpack']) expect(find(form).status).toBe('success');
    const frames = policy.seen.map(({ observation }) => observation.cameras.get('base_0_rgb')?.rgb);
    expect(frames[3]).toEqual(frames[0]);
    expect(frames[4]).toEqual(frames[0]);

    expect(find('refreshing')).toMatchObject({ enabled: true, interval: 0.2 });
    const refreshes = events.filter(({ event }) => event === 'refresh').map(({ message }) => message);
    expect(refreshes).toMatchObject([
      { type: 'subtask_refresh', refresh_count: 1 },
      { type: 'subtask_refresh', refresh_count: 2 },
    ]);
    expect(find('updated').message).toMatchObject({ subtask: expect.stringContaining('put it down') });
    expect(find('several').first).toEqual([0, 1, 2, 3]);
  });
});
