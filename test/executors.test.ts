import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { MyelinError } from '../src/core/errors.ts';
import { NotBegun } from '../src/remote/executors/executor.ts';
import { failureData } from '../src/remote/executors/user-failure.ts';
import { until } from './support/processes.ts';
import { executorFor, sandbox } from './support/projects.ts';

const python = spawnSync('python3', ['-c', '']).status === 0;
if (!python) console.log('skipped: Python projects need python3, which this machine does not have');
const isAlive = (pid: number) => {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^\d+ \(.*\) [ZX]/.test(status);
  } catch {
    return false;
  }
};
afterAll(() => sandbox.close());

const ROBOT_PY = `
import threading, time
push_message = None
class Robot:
    def __init__(self):
        self.running = False
        print("robot is here")
    def add(self, a, b=10):
        return {"sum": a + b}
    def fail(self):
        raise ValueError("no such pose")
    def _hidden(self):
        return 1
    def work(self):
        self.running = True
        threading.Thread(target=self._work, daemon=True).start()
    def _work(self):
        count = 0
        while self.running:
            count += 1
            push_message("tick", {"count": count})
            time.sleep(0.01)
    def wait(self):
        while not getattr(self, "stopped", False):
            time.sleep(0.01)
        return "stopped"
    def stop(self):
        self.running = False
        self.stopped = True
robot = Robot()
def greet(name):
    return "hello " + name
async def later():
    return "async"
`;

describe.skipIf(!python)('Python projects', () => {
  it('offer their global instances and functions, called with keywords or positions', async () => {
    const { executor, log } = executorFor('python', { 'main.py': ROBOT_PY });
    const loaded = await executor.load();
    expect(loaded.objects).toEqual({ robot: ['add', 'fail', 'stop', 'wait', 'work'] });
    expect(loaded.functions).toEqual(['greet', 'later']);
    const call = (object: string | null, method: string, args: Record<string, unknown> | unknown[]) =>
      executor.execute({ object, method, args });
    expect(await call('robot', 'add', { a: 1, b: 2 })).toEqual({ sum: 3 });
    expect(await call('robot', 'add', [5])).toEqual({ sum: 15 });
    expect(await call(null, 'greet', ['you'])).toBe('hello you');
    expect(await call(null, 'later', {})).toBe('async');
    await until('its print is in the log', () => log.includes('stdout: robot is here'));
    for (const [object, method] of [
      ['robot', '_hidden'],
      ['robot', 'none'],
      ['none', 'x'],
      [null, 'Robot'],
    ] as const) {
      await expect(call(object, method, {})).rejects.toMatchObject({ code: 'CALL_UNKNOWN' });
    }
  });

  it('push events from a thread, and a stop reaches them while a call runs', async () => {
    const { executor, pushes } = executorFor('python', { 'main.py': ROBOT_PY });
    await executor.load();
    await executor.execute({ object: 'robot', method: 'work', args: {} });
    await until('it pushes', () => pushes.length > 2);
    const waiting = executor.execute({ object: 'robot', method: 'wait', args: {} });
    expect(await executor.stop(10_000)).toEqual(['robot.stop']);
    expect(await waiting).toBe('stopped');
  });

  it('tell an exception with a traceback of the project alone, to the caller and in the log', async () => {
    const { executor, log } = executorFor('python', { 'main.py': ROBOT_PY });
    await executor.load();
    const error = await executor
      .execute({ object: 'robot', method: 'fail', args: {} })
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'CALL_FAILED', message: 'ValueError: no such pose' });
    const { traceback } = failureData(error) as { traceback: string };
    expect(traceback).toMatch(/File "main.py", line \d+, in fail\n {4}raise ValueError/);
    expect(traceback).not.toContain('myelin_runner');
    expect(log.slice(-traceback.trimEnd().split('\n').length)).toEqual(
      traceback
        .trimEnd()
        .split('\n')
        .map((line) => `stderr: ${line}`),
    );
  });

  it('that do not load tell where', async () => {
    const { executor, log } = executorFor('python', {
      'main.py': 'import helper\n',
      'helper.py': 'x = 1 / 0\n',
    });
    const error = await executor.load().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'PROJECT_LOAD_FAILED' });
    expect(error.message).toContain('ZeroDivisionError: division by zero');
    expect((failureData(error) as { traceback: string }).traceback).toContain('File "helper.py", line 1');
    expect(log.at(-1)).toBe('stderr: ZeroDivisionError: division by zero');
  });

  it('may have files named like modules of the standard library', async () => {
    const { executor } = executorFor('python', {
      'main.py': 'import queue\ndef ask():\n    return queue.ANSWER\n',
      'queue.py': 'ANSWER = 42\n',
      'json.py': 'raise ImportError("not me")\n',
    });
    await executor.load();
    expect(await executor.execute({ method: 'ask', object: null, args: {} })).toBe(42);
  });

  it('return what JSON can carry, and say what it cannot', async () => {
    const { executor } = executorFor('python', {
      'main.py': `
import collections, dataclasses, datetime, enum, pathlib
@dataclasses.dataclass
class Pose:
    x: float
    tags: set
class Mode(enum.Enum):
    FAST = "fast"
Point = collections.namedtuple("Point", "a b")
class Array:
    def tolist(self):
        return [[1.0, float("nan")]]
def rich():
    return {"pose": Pose(1.5, {3, 1}), "bytes": b"abc", "nan": float("nan"), "mode": Mode.FAST, 7: Point(1, 2),
            "path": pathlib.Path("/x"), "day": datetime.date(2026, 1, 2), "array": Array()}
def thread():
    import threading
    return threading.Lock()
def loop():
    a = []
    a.append(a)
    return a
def huge():
    return "x" * 9_000_000
def large():
    return "x" * 4_000_000
`,
    });
    await executor.load();
    const call = (method: string) => executor.execute({ object: null, method, args: {} });
    expect(await call('rich')).toEqual({
      pose: { x: 1.5, tags: [1, 3] },
      bytes: 'YWJj',
      nan: null,
      mode: 'fast',
      7: { a: 1, b: 2 },
      path: '/x',
      day: '2026-01-02',
      array: [[1, null]],
    });
    await expect(call('thread')).rejects.toThrow(
      'TypeError: thread() returned a lock, which JSON cannot carry',
    );
    await expect(call('loop')).rejects.toThrow('contains itself');
    await expect(call('huge')).rejects.toThrow('returned 9000');
    expect(await call('large')).toHaveLength(4_000_000);
  });

  it('that loop for ever are ended after the longest execution time', async () => {
    const { executor, exits } = executorFor(
      'python',
      { 'main.py': 'def spin():\n    while True:\n        pass\n' },
      { maxExecutionMs: 300 },
    );
    await executor.load();
    const pid = executor.pid ?? -1;
    await expect(executor.execute({ object: null, method: 'spin', args: {} })).rejects.toMatchObject({
      code: 'CALL_TIMEOUT',
    });
    await until('its end is told', () => exits.length === 1);
    expect(exits).toEqual(['the call spin took longer than 0.3 s']);
    expect(isAlive(pid)).toBe(false);
  });

  it('that crash are reported with the reason', async () => {
    const main = `
import ctypes, os
def leave():
    os._exit(3)
def fault():
    ctypes.string_at(0)
`;
    const first = executorFor('python', { 'main.py': main });
    await first.executor.load();
    await expect(first.executor.execute({ object: null, method: 'leave', args: {} })).rejects.toThrow(
      'The project ended during the call: exited with code 3',
    );
    expect(first.exits).toEqual(['exited with code 3']);
    const second = executorFor('python', { 'main.py': main });
    await second.executor.load();
    await expect(second.executor.execute({ object: null, method: 'fault', args: {} })).rejects.toThrow(
      'killed by SIGSEGV',
    );
  });

  it('that flood the log or the events lose some, and are told how many', async () => {
    const { executor, log, pushes } = executorFor('python', {
      'main.py': `
def flood():
    for i in range(20000):
        print("line", i)
        push_message("number", i)
    return "done"
`,
    });
    await executor.load();
    expect(await executor.execute({ object: null, method: 'flood', args: {} })).toBe('done');
    await executor.close();
    expect(log.length).toBeLessThan(20_000);
    expect(pushes.length).toBeLessThan(20_000);
    expect(log.some((line) => /^system: \d+ lines were dropped/.test(line))).toBe(true);
    expect(log.some((line) => /^system: \d+ pushed events were dropped/.test(line))).toBe(true);
  });

  it('leave no process behind when they are closed, whatever they started', async () => {
    const { executor } = executorFor('python', {
      'main.py': `
import subprocess
children = [subprocess.Popen(["sleep", "1000"]) for _ in range(3)]
subprocess.Popen(["sleep", "987654"], start_new_session=True)
def stuck():
    while True:
        pass
`,
    });
    await executor.load();
    void executor.execute({ object: null, method: 'stuck', args: {} }).catch(() => undefined);
    await executor.close();
    expect(spawnSync('pgrep', ['-f', 'sleep 987654'], { encoding: 'utf8' }).stdout).toBe('');
  });
});

/** Each call notes in the project's data folder that it began. */
const NOTING: Readonly<Record<'python' | 'javascript', Readonly<Record<string, string>>>> = {
  python: {
    'main.py': `
import os, time
def note(n):
    with open(os.path.join(os.environ["MYELIN_DATA"], "begun"), "a") as file:
        file.write("%d " % n)
    return n
def wait(n):
    note(n)
    while not stopped:
        time.sleep(0.01)
    return n
stopped = False
def stop():
    global stopped
    stopped = True
def nap(n):
    note(n)
    time.sleep(0.3)
    return n
def hang(n):
    note(n)
    while True:
        pass
def leave(n):
    note(n)
    os._exit(3)
def forge(n):
    note(n)
    for i in range(100):
        os.write(4, b'{"type":"result","id":%d,"value":"forged"}\\n' % (n + 1))
    time.sleep(60)
`,
  },
  javascript: {
    'main.mjs': `
import { appendFileSync, writeSync } from 'node:fs';
export function note(n) { appendFileSync(process.env.MYELIN_DATA + '/begun', n + ' '); return n; }
let stopped = false;
export async function wait(n) { note(n); while (!stopped) await new Promise((r) => setTimeout(r, 10)); return n; }
export function stop() { stopped = true; }
export async function nap(n) { note(n); await new Promise((r) => setTimeout(r, 300)); return n; }
export function hang(n) { note(n); for (;;); }
export function leave(n) { note(n); process.exit(3); }
export async function forge(n) {
  note(n);
  writeSync(4, JSON.stringify({ type: 'result', id: n + 1, value: 'forged' }) + '\\n');
  await new Promise((r) => setTimeout(r, 60_000));
}
`,
  },
};

const languages = [...(python ? (['python'] as const) : []), 'javascript' as const];

describe.each(languages)('%s projects that are given calls ahead', (language) => {
  /** Gives calls 1, 2, ... of these methods at once; what became of each, and which began. */
  async function given(methods: readonly string[], options: { maxExecutionMs?: number } = {}) {
    const started = executorFor(language, NOTING[language], options);
    await started.executor.load();
    const outcomes = methods.map((method, i) =>
      started.executor.execute({ object: null, method, args: [i + 1] }).catch((error: MyelinError) => {
        return error instanceof NotBegun ? 'not begun' : error.code;
      }),
    );
    const begun = () => {
      const file = join(started.dataFolder, 'begun');
      return existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').map(Number) : [];
    };
    return { ...started, outcomes, begun };
  }

  it('run them in order, one after the other', async () => {
    const { outcomes, begun } = await given(Array(100).fill('note'));
    const numbers = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(await Promise.all(outcomes)).toEqual(numbers);
    expect(begun()).toEqual(numbers);
  });

  it('lose the one that runs when they crash, and begin no other', async () => {
    const { outcomes, begun } = await given(['note', 'note', 'leave', 'note', 'note']);
    expect(await Promise.all(outcomes)).toEqual([1, 2, 'PROJECT_CRASHED', 'not begun', 'not begun']);
    expect(begun()).toEqual([1, 2, 3]);
  });

  it('have the longest time for each, and are ended for the one that hangs alone', async () => {
    const { outcomes, begun } = await given([...Array(5).fill('nap'), 'hang', 'note'], {
      maxExecutionMs: 1200,
    });
    expect(await Promise.all(outcomes)).toEqual([1, 2, 3, 4, 5, 'CALL_TIMEOUT', 'not begun']);
    expect(begun()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('are stopped before what waits is run', async () => {
    const { executor, outcomes, begun } = await given(['wait', 'note', 'note']);
    await until('the first one runs', () => begun().length === 1);
    expect(await executor.stop(10_000)).toEqual(['stop']);
    expect(await Promise.all(outcomes)).toEqual([1, 2, 3]);
  });

  it('answer what runs when they are closed, and begin nothing more', async () => {
    const { executor, outcomes, begun } = await given(['nap', ...Array(50).fill('note')]);
    await until('the first one runs', () => begun().length === 1);
    await executor.close();
    const [first, second, ...others] = await Promise.all(outcomes);
    expect(first).toBe(1);
    // Nobody outside can tell whether it had begun.
    expect(second).toBe('PROJECT_CRASHED');
    expect(others).toEqual(Array(49).fill('not begun'));
    expect(begun()).toEqual([1]);
  });

  it('are ended when they answer a call that is not its turn', async () => {
    const { outcomes, exits, begun } = await given(['forge', 'note', 'note']);
    expect(await Promise.all(outcomes)).toEqual(['PROJECT_CRASHED', 'not begun', 'not begun']);
    expect(begun()).toEqual([1]);
    expect(exits).toEqual(['it answered a call before it was its turn']);
  });
});

const gxx = spawnSync('g++', ['--version']).status === 0;
if (!gxx) console.log('skipped: the C++ project needs g++, which this machine does not have');

describe.skipIf(!gxx)('C++ projects', () => {
  it('are built with the header alone: calls, pushes, exceptions, stop', async () => {
    const { executor, pushes, log, root } = executorFor('cpp', {
      'main.cpp': readFileSync('examples/projects/cpp/main.cpp', 'utf8'),
    });
    const flags = ['-std=c++17', '-Wall', '-Wextra', '-Werror', '-pthread', '-I', 'cpp'];
    const built = spawnSync('g++', [...flags, `${root}/files/main.cpp`, '-o', `${root}/files/main`], {
      encoding: 'utf8',
    });
    expect(built.stderr).toBe('');
    const loaded = await executor.load();
    expect(loaded).toEqual({ objects: { arm: ['fail', 'stop', 'wait', 'wave'] }, functions: ['echo'] });
    const call = (object: string | null, method: string, args: Record<string, unknown> | unknown[]) =>
      executor.execute({ object, method, args });
    expect(await call('arm', 'wave', { times: 2 })).toEqual({ status: 'success', times: 2 });
    expect(pushes).toEqual([
      { event: 'waved', data: { time: 1 } },
      { event: 'waved', data: { time: 2 } },
    ]);
    const odd = { text: 'Grüße \u0001 "quoted" \\ 漢字 😀', list: [1, -2.5, 1e300, true, null, [], {}] };
    expect(await call(null, 'echo', odd)).toEqual(odd);
    const numbers = Array.from({ length: 100 }, (_, i) => i);
    expect(await Promise.all(numbers.map((n) => call(null, 'echo', { n })))).toEqual(
      numbers.map((n) => ({ n })),
    );
    await expect(call('arm', 'fail', {})).rejects.toThrow('std::runtime_error: the arm is asleep');
    await expect(call('arm', 'none', {})).rejects.toMatchObject({ code: 'CALL_UNKNOWN' });
    const waiting = call('arm', 'wait', {});
    expect(await executor.stop(10_000)).toEqual(['arm.stop']);
    expect(await waiting).toBe('stopped');
    await until('its print is in the log', () => log.includes('stdout: waving'));
  });
});

describe('JavaScript projects', () => {
  const files = {
    'package.json': '{"type": "module"}',
    'main.js': `
import { readFile } from 'node:fs/promises';
class Robot {
  #pose = 0;
  move(to) { this.#pose = to; return { pose: this.#pose }; }
  async late() { await new Promise((r) => setTimeout(r, 5)); return 'late'; }
  wait() { push_message('waiting'); return new Promise((resolve) => { this.resolve = resolve; }); }
  stop() { this.resolve?.('stopped'); }
  fail() { throw new RangeError('too far'); }
}
export const robot = new Robot();
export const POSES = [1, 2];
export function greet({ name }) { console.log('greeting', name); push_message('greeted', { name }); return 'hello ' + name; }
export const odd = () => ({ map: new Map([['a', 1]]), bytes: new Uint8Array([97, 98, 99]), nan: NaN, row: new Float64Array([1, 2]) });
export const bad = () => () => 1;
export const leave = () => process.exit(4);
`,
  };

  it('offer exported instances and functions', async () => {
    const { executor, pushes, log } = executorFor('javascript', files);
    const loaded = await executor.load();
    expect(loaded).toEqual({
      objects: { robot: ['fail', 'late', 'move', 'stop', 'wait'] },
      functions: ['bad', 'greet', 'leave', 'odd'],
    });
    const call = (object: string | null, method: string, args: Record<string, unknown> | unknown[]) =>
      executor.execute({ object, method, args });
    expect(await call('robot', 'move', [3])).toEqual({ pose: 3 });
    expect(await call('robot', 'late', {})).toBe('late');
    expect(await call(null, 'greet', { name: 'you' })).toBe('hello you');
    expect(await call(null, 'odd', {})).toEqual({ map: { a: 1 }, bytes: 'YWJj', nan: null, row: [1, 2] });
    await expect(call(null, 'bad', {})).rejects.toThrow('returned a function, which JSON cannot carry');
    await expect(call('robot', 'none', {})).rejects.toMatchObject({ code: 'CALL_UNKNOWN' });
    expect(pushes).toEqual([{ event: 'greeted', data: { name: 'you' } }]);
    await until('its print is in the log', () => log.includes('stdout: greeting you'));
    const error = await call('robot', 'fail', {}).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ message: 'RangeError: too far' });
    expect((failureData(error) as { traceback: string }).traceback).toMatch(
      /at Robot.fail \(main.js:\d+:\d+\)$/,
    );
  });

  it('are stopped while a call waits, and crash with their exit code', async () => {
    const { executor, pushes } = executorFor('javascript', files);
    await executor.load();
    const waiting = executor.execute({ object: 'robot', method: 'wait', args: {} });
    await until('the call runs', () => pushes.length === 1);
    expect(await executor.stop(10_000)).toEqual(['robot.stop']);
    expect(await waiting).toBe('stopped');
    await expect(executor.execute({ object: null, method: 'leave', args: {} })).rejects.toThrow(
      'exited with code 4',
    );
  });
});
