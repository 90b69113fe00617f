import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseControlConfig } from '../control/control-config.ts';
import { packageRoot } from '../platform/entry.ts';
import { loadConfig } from '../remote/config/load-config.ts';
import type { Config } from '../remote/config/settings.ts';
import { environmentName, SETTING_KEYS } from '../remote/config/settings.ts';
import { checkListen } from '../serving/engine/listen.ts';
import {
  assignments,
  dockerStages,
  fileText,
  instructions,
  reachesBuilder,
  understood,
  unitSections,
} from './deployment.fixture.ts';

const root = packageRoot();
const manifest = z
  .object({
    bin: z.object({ myelin: z.string() }),
    files: z.array(z.string()),
    engines: z.object({ node: z.string() }),
  })
  .parse(JSON.parse(fileText('package.json')));
/** Variables of other programs that the files may set. */
const OTHER_VARIABLES = ['NODE_ENV', 'XDG_RUNTIME_DIR', 'container'];

/** The configuration of a gateway started so. Fails for a variable that nobody reads, or a value that is not allowed. */
function configuration(environment: Readonly<Record<string, string>>, args: readonly string[]): Config {
  const known = [...SETTING_KEYS.map(environmentName), ...OTHER_VARIABLES];
  expect(Object.keys(environment).filter((name) => !known.includes(name))).toEqual([]);
  const { command, options } = understood(args);
  expect(['gateway', 'health']).toContain(command);
  return loadConfig({ file: '/dev/null', flags: options, environment });
}

const [build = [], image = []] = dockerStages(fileText('Dockerfile'));
const imageVariables = assignments(instructions(image, 'ENV').join(' '));
const json = (text: string | undefined) => z.array(z.string()).parse(JSON.parse(text ?? ''));
const entry = json(instructions(image, 'ENTRYPOINT')[0]);
const imageConfig = configuration(imageVariables, json(instructions(image, 'CMD')[0]));

describe('the Dockerfile', () => {
  const ignore = fileText('.dockerignore');
  const copied = (stage: typeof image) =>
    instructions(stage, 'COPY').map((text) => {
      const parts = text.split(/\s+/);
      const from = /^--from=(\w+)$/.exec(parts[0] ?? '')?.[1];
      return { from, sources: parts.slice(from === undefined ? 0 : 1, -1), to: parts.at(-1) ?? '' };
    });

  it('copies what is there and reaches the builder', () => {
    for (const { from, sources } of [...copied(build), ...copied(image)])
      for (const source of from === undefined ? sources : [])
        expect([source, existsSync(join(root, source)), reachesBuilder(ignore, source)]).toEqual([
          source,
          true,
          true,
        ]);
    for (const path of ['node_modules/ws/index.js', 'dist/cli/main.js', 'storage/tokens.json', '.git/HEAD'])
      expect([path, reachesBuilder(ignore, path)]).toEqual([path, false]);
  });

  it('brings into the image everything that belongs to the package, and what it needs', () => {
    const there = copied(image).flatMap(({ sources }) => sources.map((source) => source.split('/').at(-1)));
    expect(there).toEqual(expect.arrayContaining([...manifest.files, 'node_modules', 'package.json']));
    const [folder] = instructions(build, 'WORKDIR');
    for (const { from, sources } of copied(image))
      for (const source of from === undefined ? [] : sources)
        expect(source).toMatch(new RegExp(`^${folder}/(node_modules|dist)$`));
    expect(instructions(image, 'WORKDIR')[0]).toBe(folder);
    expect(instructions(image, 'RUN').join()).toContain(
      `ln -s ${folder}/${manifest.bin.myelin} /usr/local/bin/${entry.at(-1)}`,
    );
  });

  it('builds with what is there, as the program is built elsewhere', () => {
    const run = instructions(build, 'RUN').join(' ');
    const bootstrap = fileText('bootstrap.mjs');
    for (const file of run.match(/tsconfig\S*\.json/g) ?? ['none']) {
      expect([file, existsSync(join(root, file))]).toEqual([file, true]);
      expect(bootstrap).toContain(file);
    }
    const tools: unknown = JSON.parse(fileText('package-lock.json'));
    for (const [, tool] of run.matchAll(/npx (\w+)/g))
      expect(tools).toHaveProperty(['packages', `node_modules/${tool === 'tsc' ? 'typescript' : tool}`]);
    expect(run).toContain('--ignore-scripts');
    expect(run).toContain(manifest.bin.myelin);
    for (const [from = ''] of [instructions(build, 'FROM'), instructions(image, 'FROM')]) {
      const least = /(\d+)\./.exec(manifest.engines.node)?.[1];
      expect(Number(/^node:(\d+)/.exec(from)?.[1])).toBeGreaterThanOrEqual(Number(least));
    }
  });

  it('starts a gateway that can be reached, needs a token and keeps everything in the volume', () => {
    expect(String(imageConfig['websocket.port'])).toBe(instructions(image, 'EXPOSE')[0]);
    expect(imageConfig['auth.local']).toBe('none');
    expect(() =>
      checkListen({
        host: imageConfig['websocket.host'],
        token: 'tokens.json',
        insecure: imageConfig['tls.insecure'],
      }),
    ).not.toThrow();
    const [volume] = instructions(image, 'VOLUME');
    expect(imageConfig.storage).toBe(volume);
    expect(instructions(image, 'RUN').join()).toContain(`install -d -o node -g node ${volume}`);
    expect(instructions(image, 'USER')).toEqual(['node']);
  });

  it('asks for health as the program understands it', () => {
    const [, check = ''] = /CMD (\[.*\])$/.exec(instructions(image, 'HEALTHCHECK')[0] ?? '') ?? [];
    const [program, ...args] = json(check);
    expect([program, understood(args).command]).toEqual([entry.at(-1), 'health']);
    expect(configuration(imageVariables, args)['websocket.port']).toBe(imageConfig['websocket.port']);
  });

  it('installs what it starts', () => {
    const installed = instructions(image, 'RUN').join(' ');
    expect(installed).toMatch(new RegExp(`apt-get install .*\\b${entry[0]}\\b`));
    for (const program of ['bubblewrap', 'python3', 'python3-venv']) expect(installed).toContain(program);
  });
});

const command = z.array(z.string());
const serviceSchema = z.strictObject({
  build: z.string().optional(),
  image: z.string().optional(),
  command: command.optional(),
  ports: z.array(z.string().regex(/^([\d.]+:)?\d+:\d+$/)).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  volumes: z.array(z.string().regex(/^[\w/-]+:\/[\w/-]+$/)).optional(),
  healthcheck: z
    .union([
      z.strictObject({ disable: z.literal(true) }),
      z.strictObject({
        test: command,
        interval: z.string(),
        timeout: z.string(),
        start_period: z.string(),
        retries: z.number(),
      }),
    ])
    .optional(),
  shm_size: z.string().optional(),
  read_only: z.literal(true).optional(),
  tmpfs: z.array(z.string()).optional(),
  cap_drop: z.tuple([z.literal('ALL')]).optional(),
  security_opt: z.array(z.literal('no-new-privileges:true')).optional(),
  network_mode: z.literal('host').optional(),
  pid: z.literal('host').optional(),
  ulimits: z.record(z.enum(['rtprio', 'memlock']), z.number()).optional(),
  stop_grace_period: z
    .string()
    .regex(/^\d+s$/)
    .optional(),
  restart: z.enum(['no', 'unless-stopped']).optional(),
});
const composeSchema = z.strictObject({
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.strictObject({})).optional(),
});

describe('the compose files', () => {
  const plain = composeSchema.parse(parse(fileText('compose.yaml')));
  const arm = composeSchema.parse(parse(fileText('compose.arm.yaml')));
  const gateway = plain.services.gateway ?? {};
  const withDefaults = (environment: Record<string, string> = {}) =>
    Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, value.replace(/^\$\{\w+:-(\w+)\}$/, '$1')]),
    );
  const config = configuration(
    { ...imageVariables, ...withDefaults(gateway.environment) },
    gateway.command ?? [],
  );

  it('build the image of the Dockerfile and start a gateway in it', () => {
    expect(existsSync(join(root, gateway.build ?? 'none', 'Dockerfile'))).toBe(true);
    for (const service of [...Object.values(plain.services), arm.services.control])
      expect(service?.image).toBe(gateway.image);
    expect(fileText('Dockerfile')).toContain(`docker build -t ${gateway.image} .`);
    expect(Object.keys(arm.services)).toEqual(expect.arrayContaining(Object.keys(plain.services)));
  });

  it('publish the port it listens at, to this machine alone', () => {
    expect(gateway.ports).toEqual([`127.0.0.1:${config['websocket.port']}:${config['websocket.port']}`]);
  });

  it('keep what the gateway keeps in a volume that is declared', () => {
    const [[name = '', folder] = []] = (gateway.volumes ?? []).map((volume) => volume.split(':'));
    expect(plain.volumes).toHaveProperty(name);
    expect(folder).toBe(config.storage);
  });

  it('ask for health with a command of the program', () => {
    const check = gateway.healthcheck;
    if (check === undefined || !('test' in check)) throw new Error('there is no health check');
    const [kind, program, ...args] = check.test;
    expect([kind, program, understood(args).command]).toEqual(['CMD', 'myelin', 'health']);
  });

  it('start a control process with options that it takes, beside a gateway that sees its memory and its process', () => {
    const { control } = arm.services;
    const { command: name, options } = understood(control?.command ?? []);
    expect(name).toBe('control');
    expect(parseControlConfig(options, 'compose.arm.yaml')).toMatchObject({
      model: 'X5',
      interface: 'can0',
      segment: config['arm.segment'],
    });
    for (const service of [control, arm.services.gateway])
      expect(service).toMatchObject({ pid: 'host', volumes: ['/dev/shm:/dev/shm'] });
    expect(control).toMatchObject({ network_mode: 'host', restart: 'no' });
  });
});

describe('the systemd unit', () => {
  const file = 'deploy/systemd/myelin-gateway.service';
  const { Unit = {}, Service = {} } = unitSections(fileText(file));
  const one = (key: string) => Service[key]?.join(' ') ?? '';
  const [node = '', script = '', ...args] = one('ExecStart').split(' ');
  const environment = assignments(one('Environment'));

  it('starts the program with options and variables that it knows', () => {
    expect(node).toMatch(/^\/\S*node$/);
    expect(script).toBe(`/opt/myelin/${manifest.bin.myelin}`);
    const config = configuration(environment, args);
    expect(config.storage).toBe(`/var/lib/${one('StateDirectory')}`);
    expect(environment.XDG_RUNTIME_DIR).toBe(`/run/${one('RuntimeDirectory')}`);
    expect(one('WorkingDirectory')).toBe(`/etc/${one('ConfigurationDirectory')}`);
    const page = Unit.Documentation?.[0]?.replace('file:///opt/myelin/', '') ?? '';
    expect([page, existsSync(join(root, page))]).toEqual([page, true]);
  });

  it('waits for the program to say that it is ready and alive, and gives it time to end', () => {
    expect(one('Type')).toBe('notify');
    expect(Number(one('WatchdogSec'))).toBeGreaterThanOrEqual(10);
    // The worker is given 6 s, and projects a part of it.
    expect(Number(one('TimeoutStopSec'))).toBeGreaterThanOrEqual(10);
    expect([one('KillMode'), one('Restart')]).toEqual(['mixed', 'on-failure']);
  });

  it('grants nothing, and leaves bubblewrap and the compiler of Node what they need', () => {
    for (const key of ['CapabilityBoundingSet', 'AmbientCapabilities']) expect(Service[key]).toEqual(['']);
    expect(one('NoNewPrivileges')).toBe('yes');
    for (const key of [
      'RestrictNamespaces',
      'ProtectProc',
      'ProtectKernelTunables',
      'ProtectKernelLogs',
      'MemoryDenyWriteExecute',
    ])
      expect(Service).not.toHaveProperty(key);
  });

  const analyze = ['/usr/bin/systemd-analyze', '/bin/systemd-analyze'].find((path) => existsSync(path));
  it.skipIf(analyze === undefined)('is a unit to systemd, where there is one', () => {
    const { stderr } = spawnSync(analyze ?? '', ['verify', join(root, file)], { encoding: 'utf8' });
    const complaints = stderr
      .split('\n')
      .filter((line) => line.includes('myelin-gateway.service'))
      // Older ones do not know it and go on; Node may be elsewhere here.
      .filter((line) => !/DelegateSubgroup|\/usr\/bin\/node is not executable/.test(line));
    expect(complaints).toEqual([]);
  });
});

describe('what is written about deployment', () => {
  it('names commands, ports and files that there are', () => {
    const page = fileText('docs/remote.md');
    for (const [, outer] of page.matchAll(/docker run [^\n]*-p ([\d.:]+)/g))
      expect(outer?.split(':').at(-1)).toBe(instructions(image, 'EXPOSE')[0]);
    const commands = [...page.matchAll(/(?:robot-backend|gateway) myelin ([^\n]+)/g)].map(([, text]) => text);
    expect(commands.length).toBeGreaterThan(0);
    for (const text of commands) expect(() => understood(text?.split(' ') ?? [])).not.toThrow();
    for (const [path] of page.matchAll(/deploy\/systemd\/[\w.-]+|compose[\w.]*\.yaml/g))
      expect([path, existsSync(join(root, path))]).toEqual([path, true]);
    expect(readdirSync(join(root, 'deploy/systemd')).every((name) => page.includes(name))).toBe(true);
  });
});
