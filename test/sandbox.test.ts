import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { monotonicNs } from '../src/platform/clock.ts';
import { CgroupParent } from '../src/remote/sandbox/cgroup.ts';
import { detectCapabilities } from '../src/remote/sandbox/detect.ts';
import { MachineSandbox } from '../src/remote/sandbox/machine-sandbox.ts';
import { ArmSegment } from '../src/segment/arm-segment.ts';
import { CameraWriter } from '../src/segment/camera-ring.ts';
import { Lease } from '../src/segment/lease.ts';
import { uniqueName, until } from './support/processes.ts';
import { executorFor, layerIsOn, sandbox } from './support/projects.ts';

const python = spawnSync('python3', ['-c', '']).status === 0;
const walled = python && layerIsOn('bubblewrap');
const grouped = python && layerIsOn('cgroup');
for (const { layer, active, detail } of sandbox.layers) {
  if (!active) console.log(`skipped: tests of the layer ${layer}: ${detail}`);
}
afterAll(() => sandbox.close());

const HOSTILE = `
import os, socket
def read(path):
    with open(path, errors="replace") as file:
        return len(file.read())
def write(path):
    with open(path, "w") as file:
        file.write("was here")
    return True
def connect(port):
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    return True
def resolve():
    return socket.gethostbyname("example.com")
def processes():
    return len([name for name in os.listdir("/proc") if name.isdigit()])
def environment():
    return sorted(os.environ)
def gain():
    return os.system("mount -t tmpfs none /mnt 2>/dev/null")
def variable(name):
    return os.environ.get(name)
def listing(path):
    return sorted(os.listdir(path))
def see(name):
    import myelin
    with myelin.Camera(name) as camera:
        frame = camera.read()
        return [frame.width, frame.height, frame.rgb[0]]
arms = []
def command():
    import myelin
    arms.append(myelin.Arm())
    arms[0].take_lease("somebody else")
def fork_bomb():
    while True:
        os.fork()
def hog():
    pages = bytearray(700 * 1024 * 1024)
    for i in range(0, len(pages), 4096):
        pages[i] = 1
    return len(pages)
`;
const hostile = async (options: Parameters<typeof executorFor>[2] = {}) => {
  const started = executorFor('python', { 'main.py': HOSTILE }, options);
  await started.executor.load();
  const call = (method: string, ...args: unknown[]) =>
    started.executor.execute({ object: null, method, args });
  return { ...started, call };
};

describe.skipIf(!walled)('a project behind bubblewrap', () => {
  let server: Server;
  let port = 0;
  beforeAll(async () => {
    server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as { port: number }).port;
  });
  afterAll(() => server.close());

  it('reads and writes nothing but its own: no secrets, no system, no network, no other process', async () => {
    const { call, root, dataFolder } = await hostile();
    // A tokens file beside the projects, as the gateway keeps one.
    writeFileSync(join(root, 'tokens.json'), '{"secret": true}');
    for (const path of [
      '/etc/shadow',
      join(root, 'tokens.json'),
      '/root/.bashrc',
      process.execPath.replace(/\/[^/]+$/, '/../../etc/shadow'),
    ]) {
      await expect(call('read', path), path).rejects.toThrow(/FileNotFoundError|PermissionError/);
    }
    expect(await call('read', join(root, 'files/main.py'))).toBe(HOSTILE.length);
    for (const path of ['/usr/myelin-was-here', '/etc/myelin-was-here', join(root, 'files/new.py')]) {
      await expect(call('write', path), path).rejects.toThrow(/OSError|PermissionError/);
      expect(existsSync(path)).toBe(false);
    }
    // A private /tmp: it may write there, and nobody sees it.
    expect(await call('write', '/tmp/myelin-was-here')).toBe(true);
    expect(existsSync('/tmp/myelin-was-here')).toBe(false);
    expect(await call('write', join(dataFolder, 'kept'))).toBe(true);
    expect(readFileSync(join(dataFolder, 'kept'), 'utf8')).toBe('was here');
    await expect(call('connect', port)).rejects.toThrow(/Error/);
    expect(await call('processes')).toBeLessThan(5);
    expect(await call('gain')).not.toBe(0);
    expect((await call('environment')) as string[]).not.toContain('PWD_SECRET');
    expect(await call('listing', '/dev/shm')).toEqual([]);
  });

  it('reaches the network when its manifest asks for it', async () => {
    const { call } = await hostile({ network: true });
    expect(await call('connect', port)).toBe(true);
  });

  it('sees the segment of its arm and no other, also after its owner has started again', async () => {
    const arm = uniqueName('myelin_test_view');
    const other = uniqueName('myelin_test_other');
    const file = (name: string) => `/dev/shm/${name}`;
    try {
      writeFileSync(file(arm), 'first');
      writeFileSync(file(other), 'x');
      const { call } = await hostile({ armSegment: arm });
      expect(await call('listing', '/dev/shm')).toEqual([arm]);
      expect(await call('write', file(arm))).toBe(true);
      expect(readFileSync(file(arm), 'utf8')).toBe('was here');
      rmSync(file(arm));
      writeFileSync(file(arm), 'second, longer');
      let bytes: unknown;
      void (async () => {
        while (bytes !== 14) bytes = await call('read', file(arm)).catch(() => 0);
      })();
      await until('the view follows', () => bytes === 14);
    } finally {
      rmSync(file(arm), { force: true });
      rmSync(file(other), { force: true });
    }
  });
});

describe.skipIf(!walled)('cameras behind bubblewrap', () => {
  it('can be looked through by a project that may see them, and not be written, also those that come later', async () => {
    const [first, later] = [uniqueName('sandbox_eye'), uniqueName('sandbox_late')];
    using ring = CameraWriter.create(first, { width: 2, height: 1, frequencyHz: 30 });
    ring.frame.fill(9);
    ring.publish(1, 2);
    const { call } = await hostile({ cameras: true });
    const folder = String(await call('variable', 'MYELIN_CAMERAS'));
    const ringOf = (camera: string) => join(folder, `myelin_cam_${camera}`);
    expect(await call('listing', '/dev/shm')).toEqual([]);
    expect(await call('listing', folder)).toContain(`myelin_cam_${first}`);
    await expect(call('write', ringOf(first))).rejects.toThrow(/OSError: .*Read-only/);
    expect(await call('see', first)).toEqual([2, 1, 9]);
    using _late = CameraWriter.create(later, { width: 2, height: 1, frequencyHz: 30 });
    let names: unknown;
    void (async () => {
      while (!Array.isArray(names) || !names.includes(`myelin_cam_${later}`)) {
        names = await call('listing', folder).catch(() => ['ended', `myelin_cam_${later}`]);
      }
    })();
    await until('the view follows', () => Array.isArray(names) && names.includes(`myelin_cam_${later}`));
    expect(names).not.toContain('ended');
  });

  it('are not shown to a project that may not', async () => {
    const { call } = await hostile();
    expect(await call('variable', 'MYELIN_CAMERAS')).toBeNull();
  });
});

describe.skipIf(!python)('a project that is given an arm', () => {
  it('is told the process id that it has outside, and takes the lease with it', async () => {
    const name = uniqueName('myelin_test_told');
    using segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'none' });
    try {
      const { call, executor } = await hostile({ armSegment: name, project: 'told' });
      expect(await call('variable', 'MYELIN_COMMANDER')).toBe(String(executor.pid));
      await call('command');
      expect(Lease.holder(segment, monotonicNs())).toMatchObject({ pid: executor.pid, name: 'project told' });
      await executor.close();
      expect(Lease.holder(segment, monotonicNs())).toBeUndefined();
    } finally {
      segment.unlink();
    }
  });

  it('or is not, is told why when it asks for it', async () => {
    const { call } = await hostile({ project: 'second', armRefusal: 'project first holds it' });
    await expect(call('command')).rejects.toThrow(
      'LeaseHeld: project second may not drive the arm: project first holds it',
    );
  });
});

describe.skipIf(!grouped)('a project in a control group', () => {
  it('that takes more memory than it may is ended, and the reason is told', async () => {
    const { call, exits } = await hostile({ memoryMiB: 128 });
    await expect(call('hog')).rejects.toThrow('killed by the memory limit of 128 MiB');
    expect(exits).toEqual(['killed by the memory limit of 128 MiB']);
  });

  it('that is a fork bomb meets its limit, and all of it is gone when it is closed', async () => {
    const { executor, call } = await hostile();
    await expect(call('fork_bomb')).rejects.toThrow('BlockingIOError');
    await executor.close();
    const parent = CgroupParent.find();
    if (typeof parent === 'string') throw new Error(parent);
    const running = () =>
      parent.folders.flatMap((folder) =>
        readdirSync(folder, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map((entry) => entry.name),
      );
    await until('no group is left', () => running().length === 0);
  });
});

describe.skipIf(!python)('without bubblewrap and control groups', () => {
  const bare = () =>
    new MachineSandbox({ ...detectCapabilities(), bubblewrap: 'not installed', cgroup: 'not writable' });
  afterEach(() => {
    const parent = CgroupParent.find();
    if (typeof parent !== 'string') parent.close();
  });

  it.skipIf(!layerIsOn('rlimits'))(
    'memory is still bounded, and the layers say what is missing',
    async () => {
      const { executor, call } = await hostile({ sandbox: bare(), memoryMiB: 256 });
      await expect(call('hog')).rejects.toThrow('MemoryError');
      expect(executor.layers.filter(({ active }) => !active).map(({ layer }) => layer)).toEqual([
        'bubblewrap',
        'cgroup',
      ]);
    },
  );

  it('nothing is started when the sandbox is required', () => {
    expect(() => bare().assertComplete()).toThrow(
      expect.objectContaining({
        code: 'SANDBOX_UNAVAILABLE',
        message: 'The sandbox is required, but bubblewrap is missing: not installed',
      }),
    );
  });
});

describe.skipIf(!python)('requirements', () => {
  const prepare = async (requirements: string) => {
    const { root } = executorFor('python', {
      'requirements.txt': requirements,
      'make_wheel.py': '',
      'main.py': 'import tiny\ndef ask():\n    return tiny.ANSWER\n',
    });
    const { pythonKind } = await import('../src/remote/executors/python.ts');
    const progress: string[] = [];
    const version = {
      project: 'test',
      folder: join(root, 'files'),
      environment: join(root, 'environment'),
      sandbox,
    };
    const run = () =>
      pythonKind(join(root, 'cache')).prepare?.(version, (text) => progress.push(text)) ?? Promise.resolve();
    return { root, version, progress, run };
  };

  it('are installed into an environment of the version, told line by line', async () => {
    const { version, progress, run } = await prepare('./tiny-1.0-py3-none-any.whl\n');
    const wheel = `
import zipfile
with zipfile.ZipFile("tiny-1.0-py3-none-any.whl", "w") as z:
    z.writestr("tiny.py", "ANSWER = 42")
    z.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
    z.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    z.writestr("tiny-1.0.dist-info/RECORD", "")
`;
    expect(spawnSync('python3', ['-c', wheel], { cwd: version.folder }).status).toBe(0);
    await run();
    expect(progress.join('\n')).toMatch(/[Ii]nstalled .*tiny/);
    const { executor } = executorFor('python', {}, version);
    await executor.load();
    expect(await executor.execute({ object: null, method: 'ask', args: {} })).toBe(42);
    progress.length = 0;
    await run();
    expect(progress).toEqual([]);
  });

  it('that cannot be installed leave nothing half-made', async () => {
    const { version, run } = await prepare('./is-not-there.whl\n');
    mkdirSync(version.environment);
    writeFileSync(join(version.environment, 'left from a crash'), '');
    await expect(run()).rejects.toMatchObject({ code: 'PROJECT_INVALID' });
    expect(existsSync(version.environment)).toBe(false);
  });
});
