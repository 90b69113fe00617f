import { writeMessage } from '../../src/serving/openpi/msgpack-writer.ts';
import { float64Array, NdArray, uint8Array } from '../../src/serving/openpi/ndarray.ts';
import { fromPlain } from '../../src/serving/openpi/wire-value.ts';

/** Small, seeded and good enough to choose with (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Random = () => number;
const below = (random: Random, most: number): number => Math.floor(random() * most);
const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)] as T;
const noise = (random: Random, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => below(random, 256));

/** A frame to send: text, or bytes. */
export type Frame = string | Uint8Array;

/** Values nobody expects, for any field. */
const odd = (random: Random): unknown =>
  pick<() => unknown>(random, [
    () => null,
    () => true,
    () => -1,
    () => 2 ** 53,
    () => 1e308,
    () => Number.MAX_SAFE_INTEGER,
    () => '',
    () => 'x'.repeat(below(random, 5000)),
    () => '\u0000\ud800',
    () => '__import__("os").system("true")',
    () => '../../../../etc/passwd',
    () => [],
    () => [[], [[]], [[[]]]],
    () => ({}),
    () => JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as unknown,
    () => [[[1, 2, 3]]],
    () => [[[256, -1, 0.5]]],
    () => Array.from({ length: below(random, 300) }, () => below(random, 300)),
    () => ({
      encoding: 'jpeg',
      data: Buffer.from([0xff, 0xd8, 0xff, ...noise(random, 40)]).toString('base64'),
    }),
    () => ({
      encoding: 'png',
      data: Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), noise(random, 60)]).toString('base64'),
    }),
    () => ({ encoding: 'raw', width: 8192, height: 8192, data: 'AAAA' }),
    () => ({ encoding: 'svg', data: '<svg/>' }),
  ])();

const oddArray = (random: Random): NdArray =>
  new NdArray(
    pick(random, ['<f8', '>f4', '|O', '<c16', '|V8', '<U9999999', '|S0', '<f2', '|u1', '', 'os.system']),
    pick<readonly number[]>(random, [
      [],
      [0],
      [3],
      [-1],
      [2 ** 52, 2 ** 52],
      [1, 1, 3],
      [2, 2, 3],
      [0, 0, 3],
      Array(40).fill(1) as number[],
    ]),
    noise(random, pick(random, [0, 1, 3, 8, 12, 24, 64])),
  );

/** Changes a few bytes, cuts, repeats. */
function damage(random: Random, bytes: Uint8Array): Uint8Array {
  const cut = random() < 0.3 ? bytes.slice(0, below(random, bytes.length)) : bytes.slice();
  for (let changes = below(random, 8); changes > 0 && cut.length > 0; changes--)
    cut[below(random, cut.length)] = below(random, 256);
  return random() < 0.1 ? new Uint8Array(Buffer.concat([cut, cut])) : cut;
}

const picture = uint8Array(new Uint8Array(12), [2, 2, 3]);
const state = float64Array(Float64Array.of(1, 2));

/** Heads that claim lengths nobody sent, extension types, and depth. */
const lies = (random: Random): Uint8Array =>
  pick<() => Uint8Array>(random, [
    () => Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff),
    () => Uint8Array.of(0xdf, 0x7f, 0xff, 0xff, 0xff, 0xa1),
    () => Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff, 0),
    () => Uint8Array.of(0xdb, 0x7f, 0xff, 0xff, 0xff),
    () => new Uint8Array(below(random, 20_000)).fill(pick(random, [0x91, 0x81, 0xdc, 0x9f])),
    () =>
      Uint8Array.of(
        pick(random, [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]),
        ...noise(random, 20),
      ),
    () => new Uint8Array(Buffer.concat([Buffer.from([0xdd, 0, 2, 0, 0]), Buffer.alloc(131_072, 0xc0)])),
  ])();

/** A frame for an openpi server that no good client sends. */
export function hostileOpenpi(random: Random): Frame {
  const map = (entries: Record<string, unknown>) => writeMessage(fromPlain(entries));
  const keys = [
    'state',
    'observation/state',
    'images',
    'observation/image',
    'prompt',
    'myelin',
    'endpoint',
    'session_id',
    'seed',
    'sampling_params',
    'noise',
  ];
  return pick<() => Frame>(random, [
    () => noise(random, below(random, 400)),
    () => lies(random),
    () => damage(random, map({ state, images: { base_0_rgb: picture }, prompt: 'go', endpoint: 'infer' })),
    () => map({ state, [pick(random, keys)]: odd(random), [pick(random, keys)]: odd(random) }),
    () => map({ [pick(random, keys)]: oddArray(random), state: oddArray(random) }),
    () => map({ state, images: { [String(odd(random)).slice(0, 200)]: oddArray(random) } }),
    () =>
      map({
        state,
        myelin: {
          [pick(random, ['seed', 'noise', 'subtask', 'real_time_chunk', '__proto__', 'x'])]: odd(random),
        },
      }),
    () =>
      map({
        state,
        myelin: { real_time_chunk: { previous: oddArray(random), rows: 2, delay_steps: 1, mode: 'guided' } },
      }),
    () => writeMessage(fromPlain(odd(random))),
    () => String(odd(random)),
  ])();
}

/** A frame for a pi0.5 server that no good client sends. It is always one that is answered. */
export function hostilePi05(random: Random): Frame {
  const good = { images: { base_0_rgb: [[[1, 2, 3]]] }, high_level_prompt: 'go', state: [1, 2] };
  const keys = [
    'images',
    'high_level_prompt',
    'low_level_prompt',
    'state',
    'generate_subtask',
    'max_decoding_steps',
    'temperature',
    'noise',
    'subtask_refresh_interval',
    'real_time_chunk',
    'seed',
    'request_id',
    'reset',
    '__proto__',
  ];
  const json = (value: unknown) => JSON.stringify(value);
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
  return pick<() => Frame>(random, [
    () => text(noise(random, below(random, 300))),
    () => text(damage(random, Buffer.from(json(good)))),
    () => json(odd(random)),
    () => json({ ...good, [pick(random, keys)]: odd(random), [pick(random, keys)]: odd(random) }),
    () => json({ ...good, images: { base_0_rgb: odd(random) } }),
    () =>
      json({
        ...good,
        type: 'update_observation',
        request_id: 1,
        [pick(random, ['images', 'state', 'subtask_refresh_interval'])]: odd(random),
      }),
    () => '['.repeat(below(random, 20_000)),
    () => `{"images":{"a":${'[[1],'.repeat(below(random, 5000))}`,
    () => damage(random, writeMessage(fromPlain({ ...good, images: { base_0_rgb: picture }, state }))),
    () =>
      writeMessage(fromPlain({ ...good, images: { base_0_rgb: oddArray(random) }, state: oddArray(random) })),
    () => lies(random),
  ])();
}

/** What no WebSocket client sends at all, for a bare TCP connection. */
export function hostileBytes(random: Random): Uint8Array {
  const upgrade =
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
  const after = (frame: readonly number[]) => Buffer.concat([Buffer.from(upgrade), Buffer.from(frame)]);
  return new Uint8Array(
    pick<() => Uint8Array>(random, [
      () => noise(random, below(random, 300)),
      () => damage(random, Buffer.from(upgrade)),
      () => after([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
      () => after([0x82, 0x05, 1, 2, 3, 4, 5]),
      () => after([0x8f, 0x80, 0, 0, 0, 0]),
      () => after([0x80, 0x80, 0, 0, 0, 0]),
      () => after([...noise(random, 60)]),
      () => Buffer.from(`GET /${'a'.repeat(below(random, 20_000))} HTTP/1.1\r\n\r\n`),
      () =>
        Buffer.from(`POST /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz`),
    ])(),
  );
}
