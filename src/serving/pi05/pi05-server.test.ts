import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';
import { closeAll, type Json, PICTURE, raw, request, serve } from './testing.ts';

afterEach(closeAll);

describe('the pi0.5 server', () => {
  it('sends its metadata first and answers as the seed says, to the letter', async () => {
    const { policy, url } = await serve({ subtasks: true });
    const { metadata, ask } = await raw(url);
    expect(metadata).toMatchObject({
      server_type: 'AsyncPi05Inference',
      version: '1.0.0',
      capabilities: ['subtask_generation', 'action_prediction'],
      max_decoding_steps: 25,
      supported_image_types: ['base_0_rgb', 'left_wrist_0_rgb'],
    });
    const answer = await ask(
      request({
        low_level_prompt: 'ABCDEFG',
        generate_subtask: true,
        max_decoding_steps: 12,
        temperature: 0.5,
      }),
    );
    expect(Object.keys(answer)).toEqual([
      'status',
      'actions',
      'subtask',
      'subtask_tokens',
      'state',
      'timing',
      'server_timing',
      'subtask_refresh_enabled',
      'subtask_refresh_interval',
    ]);
    expect(answer).toMatchObject({
      status: 'success',
      actions: [
        [
          [1, 2],
          [2, 3],
          [3, 4],
        ],
      ],
      subtask: 'step 1 of Pick up the flashcard on the table',
      subtask_tokens: [7, 8, 1],
      state: [1, 2],
      subtask_refresh_enabled: false,
      subtask_refresh_interval: null,
    });
    expect(Object.keys(answer.timing as Json)).toEqual(['total_ms', 'action_ms', 'subtask_ms']);
    expect((answer.server_timing as Json).total_ms).toBeTypeOf('number');
    expect(policy.subtasksSeen[0]?.options).toMatchObject({ maxDecodingSteps: 12, temperature: 0.5 });
    const { observation, options } = policy.seen[0] ?? {};
    expect(options?.subtask?.text).toBe('step 1 of Pick up the flashcard on the table');
    expect(observation?.cameras.get('base_0_rgb')).toMatchObject({
      width: 2,
      height: 1,
      rgb: Uint8Array.of(1, 2, 3, 4, 5, 6),
    });
  });

  it('acts on the low-level prompt when there is one, and on the noise it is given', async () => {
    const { policy, url } = await serve();
    const { ask } = await raw(url);
    await ask(
      request({
        low_level_prompt: 'grasp it',
        noise: [
          [
            [0.5, 1],
            [2, 3],
            [4, 5],
          ],
        ],
      }),
    );
    expect(policy.seen[0]?.options).toMatchObject({
      subtask: { text: 'grasp it' },
      noise: Float32Array.of(0.5, 1, 2, 3, 4, 5),
    });
    expect(policy.seen[0]?.observation.task).toBe('Pick up the flashcard on the table');
  });

  it('answers generate_subtask with a clear error where the policy cannot, and actions all the same', async () => {
    const { url } = await serve();
    const { metadata, ask } = await raw(url);
    expect(metadata.capabilities).toEqual(['action_prediction']);
    for (const more of [{ generate_subtask: true }, { subtask_refresh_interval: 1 }]) {
      expect(await ask(request(more))).toMatchObject({ status: 'error', code: 'SUBTASKS_UNSUPPORTED' });
    }
    for (const more of [{}, { generate_subtask: false }]) {
      expect(await ask(request(more))).toMatchObject({
        status: 'success',
        subtask: null,
        subtask_tokens: null,
      });
    }
  });

  it.each([
    ['no prompt', { high_level_prompt: undefined }, /high_level_prompt/],
    ['no images', { images: undefined }, /images/],
    ['an empty image map', { images: {} }, /at least one image/],
    [
      'lines of different lengths',
      { images: { base_0_rgb: [[[1, 2, 3]], []] } },
      /PICTURE_UNDECODABLE|differ in length/,
    ],
    ['a level of 256', { images: { base_0_rgb: [[[1, 2, 256]]] } }, /0 to 255/],
    ['a level of 1.5', { images: { base_0_rgb: [[[1, 2, 1.5]]] } }, /0 to 255/],
    ['a level of text', { images: { base_0_rgb: [[[1, 2, '3']]] } }, /0 to 255/],
    ['a camera of another name', { images: { base: PICTURE } }, /base_0_rgb/],
    [
      'a key that objects treat specially',
      JSON.parse('{"images":{"__proto__":[[[1,2,3]]]}}') as Json,
      /image/,
    ],
    [
      'JPEG that is not',
      { images: { base_0_rgb: { encoding: 'jpeg', data: 'aGVsbG8=' } } },
      /neither JPEG nor PNG/,
    ],
    ['data that is not base64', { images: { base_0_rgb: { encoding: 'jpeg', data: '!!!!' } } }, /not base64/],
    [
      'raw bytes that are too few',
      { images: { base_0_rgb: { encoding: 'raw', width: 2, height: 2, data: 'AAAA' } } },
      /3 bytes/,
    ],
    ['257 decoding steps', { max_decoding_steps: 257 }, /max_decoding_steps/],
    ['no decoding step', { max_decoding_steps: 0 }, /max_decoding_steps/],
    ['a negative temperature', { temperature: -0.1 }, /temperature/],
    ['a refresh every 10 ms', { subtask_refresh_interval: 0.01 }, /subtask_refresh_interval/],
    ['a negative refresh', { subtask_refresh_interval: -1 }, /subtask_refresh_interval/],
    ['noise of text', { noise: [['a']] }, /noise/],
    ['a state of text', { state: ['a'] }, /state/],
    ['a prompt of 4097 letters', { high_level_prompt: 'a'.repeat(4097) }, /high_level_prompt/],
    ['an unknown type', { type: 'explode' }, /update_observation/],
  ])('says what is wrong with %s, and goes on', async (_, more, message) => {
    const { url } = await serve();
    const { ask } = await raw(url);
    const answer = await ask(request({ request_id: 'q1', ...more }));
    expect(answer).toMatchObject({ status: 'error', request_id: 'q1' });
    expect(answer.error).toMatch(message);
    expect(await ask(request())).toMatchObject({ status: 'success' });
  });

  it('says what is wrong with anything that is no request at all', async () => {
    const { url } = await serve();
    const { ask } = await raw(url);
    for (const text of [
      '',
      '{',
      'null',
      '5',
      '[]',
      '"a"',
      '['.repeat(1e6),
      `[${'[],'.repeat(2_000_001)}[]]`,
    ]) {
      expect(await ask(text)).toMatchObject({ status: 'error', code: 'MESSAGE_INVALID' });
    }
    expect(await ask(request())).toMatchObject({ status: 'success' });
  });

  it('answers a mistake that is repeated each time, and tells its own people once', async () => {
    const events: string[] = [];
    const { url } = await serve({}, { onEvent: (text) => events.push(text) });
    const { ask } = await raw(url);
    for (let i = 0; i < 5; i++) {
      expect(await ask(request({ images: { kitchen: PICTURE } }))).toMatchObject({ status: 'error' });
      expect(await ask('no request')).toMatchObject({ status: 'error' });
    }
    expect(events.map((text) => text.replace(/^127\.0\.0\.1:\d+:? /, ''))).toEqual([
      'connected',
      expect.stringContaining('kitchen'),
      expect.stringContaining('it is not JSON'),
    ]);
  });

  it('makes pictures up only where it was told to, and says which', async () => {
    const { policy, url } = await serve({}, { allowRandomImages: true });
    const { ask } = await raw(url);
    const answer = await ask(
      request({ images: { base_0_rgb: { encoding: 'jpeg', data: 'aGVsbG8=' }, left_wrist_0_rgb: PICTURE } }),
    );
    expect(answer).toMatchObject({ status: 'success', random_images: ['base_0_rgb'] });
    expect(policy.seen[0]?.observation.cameras.get('base_0_rgb')).toMatchObject({ width: 224, height: 224 });
    expect(await ask(request())).not.toHaveProperty('random_images');
  });

  it('refreshes the subtask from the latest observation, at an interval that changes, until the client goes', async () => {
    const { policy, url, engine } = await serve({ subtasks: true });
    const { ask, next, send, socket } = await raw(url);
    const answer = await ask(request({ subtask_refresh_interval: 0.05 }));
    expect(answer).toMatchObject({ subtask_refresh_enabled: true, subtask_refresh_interval: 0.05 });
    const first = await next(({ type }) => type === 'subtask_refresh');
    expect(Object.keys(first)).toEqual(['type', 'subtask', 'subtask_tokens', 'refresh_count', 'timestamp']);
    expect(first.refresh_count).toBe(1);
    expect(first.timestamp as number).toBeGreaterThan(1.7e9);
    send({ type: 'update_observation', images: { base_0_rgb: [[[9, 9, 9]]] }, state: [5, 6] });
    await next(({ refresh_count }) => (refresh_count as number) >= 4);
    const latest = policy.subtasksSeen.at(-1)?.observation;
    expect([...(latest?.state ?? []), latest?.cameras.get('base_0_rgb')?.rgb[0], latest?.task]).toEqual([
      5,
      6,
      9,
      'Pick up the flashcard on the table',
    ]);
    expect(await ask(request({ generate_subtask: false }))).toMatchObject({
      subtask: null,
      subtask_refresh_enabled: true,
    });
    expect(policy.seen.at(-1)?.options.subtask?.text).toMatch(/^step \d+ of Pick/);
    const changed = { type: 'update_observation', request_id: 7, subtask_refresh_interval: 0.06 };
    expect(await ask(changed)).toEqual({ status: 'success', type: 'observation_updated', request_id: 7 });
    expect(await ask(request({ generate_subtask: false }))).toMatchObject({ subtask_refresh_interval: 0.06 });
    expect(await ask(request({ subtask_refresh_interval: null }))).toMatchObject({
      subtask_refresh_enabled: false,
    });
    await ask(request({ subtask_refresh_interval: 0.05 }));
    socket.close();
    await new Promise((done) => socket.once('close', done));
    await expect.poll(() => engine.stats().sessions).toBe(0);
    const asked = policy.subtasksSeen.length;
    await new Promise((done) => setTimeout(done, 200));
    expect(policy.subtasksSeen.length).toBeLessThanOrEqual(asked + 1);
  });

  it('counts refreshes that were sent, and sends a plain client nothing the seed does not know', async () => {
    const events: string[] = [];
    const { policy, url } = await serve({ subtasks: true }, { onEvent: (text) => events.push(text) });
    const { ask, next } = await raw(url);
    let asked = 0;
    policy.generateSubtask = async () => {
      asked += 1;
      return asked < 4 ? { text: '\ufffd', tokens: [1] } : { text: 'put it down', tokens: [7] };
    };
    await ask(request({ generate_subtask: false, subtask_refresh_interval: 0.05 }));
    expect(await next()).toMatchObject({ type: 'subtask_refresh', subtask: 'put it down', refresh_count: 1 });
    expect(events.filter((text) => text.includes('no instruction'))).toHaveLength(1);
  });

  it('does not act on a subtask that is no instruction, and says why', async () => {
    const { policy, url } = await serve({ subtasks: true });
    const { ask } = await raw(url);
    await ask(request({ generate_subtask: true }));
    policy.generateSubtask = async () => ({ text: '<loc0012><loc0034>', tokens: [1] });
    const answer = await ask(request({ generate_subtask: true }));
    expect(answer).toMatchObject({ status: 'success', subtask: '<loc0012><loc0034>' });
    expect(answer.subtask_fault).toContain('<loc0012>');
    expect(policy.seen.at(-1)?.options.subtask?.text).toMatch(/^step 1/);
  });

  it('gives several clients each their own answers and refreshes', async () => {
    const { url } = await serve({ subtasks: true });
    const clients = await Promise.all([raw(url), raw(url), raw(url)]);
    const answers = await Promise.all(
      clients.map(({ ask }, i) =>
        ask(request({ state: [i, 0], high_level_prompt: `task ${i}`, subtask_refresh_interval: 0.05 })),
      ),
    );
    expect(answers.map(({ actions }) => (actions as number[][][])[0]?.[0])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
    const refreshes = await Promise.all(
      clients.map(({ next }) => next(({ type }) => type === 'subtask_refresh')),
    );
    expect(refreshes.map(({ subtask }) => String(subtask).replace(/^step \d+ /, ''))).toEqual([
      'of task 0',
      'of task 1',
      'of task 2',
    ]);
  });

  it('reads the picture a PNG holds, without its transparency', async () => {
    const { policy, url } = await serve();
    const png = await sharp({
      create: { width: 3, height: 2, channels: 4, background: { r: 10, g: 20, b: 30, alpha: 1 } },
    })
      .png()
      .toBuffer();
    const { ask: send } = await raw(url);
    await send(request({ images: { base_0_rgb: { encoding: 'png', data: png.toString('base64') } } }));
    expect(policy.seen[0]?.observation.cameras.get('base_0_rgb')).toMatchObject({ width: 3, height: 2 });
    expect([...(policy.seen[0]?.observation.cameras.get('base_0_rgb')?.rgb.subarray(0, 3) ?? [])]).toEqual([
      10, 20, 30,
    ]);
    const cut = png.subarray(0, png.length - 30).toString('base64');
    expect(await send(request({ images: { base_0_rgb: { encoding: 'png', data: cut } } }))).toMatchObject({
      code: 'PICTURE_UNDECODABLE',
    });
  });
});
