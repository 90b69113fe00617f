import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { myelin } from './support/processes.ts';
import { RemoteSystem } from './support/remote-system.ts';

let root: string;
let project: string;
let system: RemoteSystem;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'myelin-project-'));
  project = join(root, 'wave');
  system = await RemoteSystem.open({ storage: join(root, 'storage'), log: ['one', 'two'] });
});
afterEach(async () => {
  await system.close();
  rmSync(root, { recursive: true, force: true });
});

const start = (args: readonly string[]) =>
  myelin(['project', ...args], { MYELIN_URL: system.url, MYELIN_TOKEN: system.tokens.deploy });
async function run(...args: string[]): Promise<{ code: unknown; text: string }> {
  const started = start(args);
  const code = await started.exited;
  return { code, text: started.output() };
}
const ok = async (...args: string[]) => {
  const { code, text } = await run(...args);
  expect(text, args.join(' ')).not.toMatch(/^myelin: /m);
  expect(code).toBe(0);
  return text;
};

describe('myelin project', () => {
  it('goes the whole way: init, push, change, list, diff, rollback, download, delete', async () => {
    expect(await ok('init', project)).toContain('myelin project dev');
    expect(readFileSync(join(project, 'myelin.yaml'), 'utf8')).toContain('name: wave');
    expect((await run('init', project)).code).toBe(1);

    writeFileSync(join(project, '.gitignore'), 'secret*\n');
    writeFileSync(join(project, 'secret.txt'), 'x');
    mkdirSync(join(project, '.git'));
    writeFileSync(join(project, '.git', 'HEAD'), 'x');
    writeFileSync(join(project, 'run.sh'), '#!/bin/sh\n');
    chmodSync(join(project, 'run.sh'), 0o755);
    const first = (await ok('push', project)).match(/^wave ([0-9a-f]{12}) runs \(python\)/m)?.[1] ?? '';
    expect(first).not.toBe('');
    const files = await ok('list', 'wave');
    expect(files).toContain(`* ${first}`);
    expect(files).toMatch(/main\.py/);
    expect(files).not.toMatch(/secret|HEAD|gitignore/);

    writeFileSync(join(project, 'main.py'), 'changed = 1\n');
    writeFileSync(join(project, 'new.py'), '');
    const second = (await ok('push', project)).match(/wave ([0-9a-f]{12})/)?.[1] ?? '';
    expect(await ok('diff', 'wave', first)).toBe('+ new.py\n~ main.py\n');
    expect(await ok('rollback', 'wave')).toBe(`wave ${first} runs\n`);
    expect(JSON.parse(await ok('list', '--json'))).toMatchObject([{ project: 'wave', active: true }]);
    const out = join(root, 'out.zip');
    await ok('download', 'wave', second, '-o', out);
    expect(readFileSync(out).subarray(0, 2).toString()).toBe('PK');
    expect(existsSync(`${out}.partial`)).toBe(false);
    expect(await ok('delete', 'wave', second)).toContain('removed wave');
    const inUse = await run('delete', 'wave', first);
    expect(inUse).toMatchObject({ code: 1 });
    expect(inUse.text).toMatch(/is in use\n {2}hint: /);
  });

  it('calls, and tells what failed', async () => {
    await ok('init', project);
    writeFileSync(
      join(project, 'main.py'),
      `${readFileSync(join(project, 'main.py'))}\ndef fail():\n    raise ValueError("no")\n`,
    );
    await ok('push', project);
    expect(JSON.parse(await ok('call', 'greeter.hello', '{"name": "Ada"}'))).toMatchObject({
      message: 'Hello, Ada!',
      count: 1,
    });
    expect(JSON.parse(await ok('call', 'add', '[2, 3]'))).toBe(5);
    const failed = await run('call', 'fail');
    expect(failed).toMatchObject({
      code: 1,
      text: expect.stringContaining('myelin: ValueError: no\n  hint: '),
    });
    expect(failed.text).toMatch(/File "main.py", line \d+, in fail\n {4}raise ValueError/);
    expect(await run('call', 'hello', 'not json')).toMatchObject({ code: 2 });
    expect(await run('list', '--token', 'wrong')).toMatchObject({
      code: 1,
      text: expect.stringContaining('hint'),
    });
    expect(await run('list', '--url', 'http://127.0.0.1:1')).toMatchObject({ code: 1 });
    expect(await ok('logs')).toBe('one\ntwo\n');
  });

  it('says of what it uploaded that it does not load', async () => {
    await ok('init', project);
    const first = (await ok('push', project)).match(/wave ([0-9a-f]{12})/)?.[1] ?? '';
    writeFileSync(join(project, 'main.py'), 'import nothing_of_that_name\n');
    const failed = await run('push', project);
    expect(failed).toMatchObject({
      code: 1,
      text: expect.stringContaining('"wave" did not load: ModuleNotFoundError'),
    });
    expect(failed.text).toContain('File "main.py", line 1');
    expect(failed.text).not.toContain('runs');
    expect(await ok('rollback', 'wave')).toBe(`wave ${first} runs\n`);
  });

  it('develops live: uploads what changed, reloads, prints the log, ends cleanly at Ctrl-C', async () => {
    await ok('init', project);
    const dev = start(['dev', project]);
    await dev.says(/wave [0-9a-f]{12} loaded/);
    await dev.says(/watching/);
    await ok('call', 'greeter.hello', '{"name": "the robot"}');
    await dev.says(/wave \| greeting the robot/);
    writeFileSync(join(project, 'extra.py'), 'x = 1\n');
    await dev.says(/loaded in \d+ ms \(\+extra\.py\)/);
    writeFileSync(join(project, 'extra.py'), 'x = \n');
    writeFileSync(join(project, 'main.py'), 'import extra\n');
    await dev.says(/does not load|did not load|PROJECT_LOAD_FAILED|SyntaxError/);
    writeFileSync(join(project, 'main.py'), 'y = 2\n');
    rmSync(join(project, 'extra.py'));
    await dev.says(/loaded in \d+ ms \((~main\.py -extra\.py|-extra\.py)\)/);
    dev.child.kill('SIGINT');
    expect(await dev.exited).toBe(0);
  });
});
