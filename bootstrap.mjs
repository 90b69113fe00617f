// From a fresh clone to a running program with nothing but Node: installs, builds what changed, then runs.
// Plain JavaScript without dependencies, because nothing is installed yet when it starts.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const [command = 'start', ...rest] = process.argv.slice(2);
const say = (text) => process.stderr.write(`myelin: ${text}\n`);
const fail = (text, hint) => {
  process.stderr.write(`myelin: ${text}\n  hint: ${hint}\n`);
  process.exit(1);
};

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`Node ${process.versions.node} is too old`, 'Install Node 20.19 or newer: https://nodejs.org');
}

const run = (program, args, options = {}) =>
  spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    ...options,
    env: { ...process.env, ...options.env },
  });
const bin = (name) => join(root, 'node_modules', '.bin', name);

/** Runs one quiet build step; its output is shown only when it fails. */
function step(title, program, args) {
  const started = Date.now();
  process.stderr.write(`myelin: ${title} ...`);
  const result = run(program, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (result.status !== 0) {
    process.stderr.write(` failed\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}\n`);
    process.exit(1);
  }
  process.stderr.write(` ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

function install() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules', '.myelin-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  const started = Date.now();
  say('installing packages from the npm registry (once, about 600 MB on disk)');
  // No package needs its install script; onnxruntime-node's would reach beyond the registry.
  const result = run(
    'npm',
    ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      env: { ONNXRUNTIME_NODE_INSTALL: 'skip' },
      shell: process.platform === 'win32',
    },
  );
  if (result.status !== 0) {
    fail(
      'the packages could not be installed',
      'Check the connection to the npm registry, then run the command again.',
    );
  }
  writeFileSync(stamp, lock);
  say(`installed in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

/** Newest change and number of files below some paths, as one comparable text. */
function fingerprint(...paths) {
  let newest = 0;
  let files = 0;
  const visit = (path) => {
    const stat = statSync(path);
    newest = Math.max(newest, stat.mtimeMs);
    if (!stat.isDirectory()) files += 1;
    else for (const name of readdirSync(path)) visit(join(path, name));
  };
  for (const path of paths) visit(join(root, path));
  return `${files}:${newest}`;
}

function buildPart(name, paths, title, program, args) {
  const stamp = join(root, 'dist', `.${name}-stamp`);
  const now = fingerprint('package-lock.json', ...paths);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === now) return;
  step(title, program, args);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, now);
}

function build() {
  install();
  buildPart('source', ['src', 'tsconfig.json', 'tsconfig.build.json'], 'compiling', bin('tsc'), [
    '-p',
    'tsconfig.build.json',
  ]);
  buildPart('console', ['console'], 'building the page', bin('vite'), [
    'build',
    'console',
    '--logLevel',
    'warn',
  ]);
}

/** Runs vitest quietly; details come with a failure. Ends with a line `N passed, N failed`. */
function vitest(args) {
  const report = join(root, 'dist', 'test-report.json');
  // An older run's numbers must not pass for those of one that ended early.
  rmSync(report, { force: true });
  const result = run(bin('vitest'), [
    'run',
    '--reporter=dot',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...args,
  ]);
  if (!existsSync(report)) return result.status ?? 1;
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, 'utf8'));
  const skipped = numPendingTests > 0 ? `, ${numPendingTests} skipped` : '';
  console.log(`${numPassedTests} passed, ${numFailedTests} failed${skipped}`);
  return result.status ?? 1;
}

function check() {
  const steps = [
    ['format and lint', bin('biome'), ['check', '.']],
    ['types', bin('tsc'), ['-p', 'tsconfig.json']],
    ['types of the page', bin('tsc'), ['-p', 'console/tsconfig.json']],
    ['room order', process.execPath, ['tools/check-rooms.mjs']],
  ];
  for (const [title, program, args] of steps) step(title, program, args);
}

/** Becomes the command line program, in this process, so that signals and exit codes are its own. */
async function myelin(args) {
  const main = join(root, 'dist', 'cli', 'main.js');
  process.argv = [process.execPath, main, ...args];
  await import(pathToFileURL(main).href);
}

switch (command) {
  case 'start':
    build();
    await myelin(['up', ...rest]);
    break;
  case 'build':
    build();
    break;
  case 'test':
    build();
    process.exit(
      vitest([...['unit', 'process', 'alone', 'systems'].flatMap((name) => ['--project', name]), ...rest]),
    );
    break;
  case 'soak':
    build();
    process.exit(vitest(['--project', 'soak', ...rest]));
    break;
  case 'interop':
    build();
    process.exit(vitest(['--project', 'interop', ...rest]));
    break;
  case 'check':
    install();
    check();
    break;
  case 'bench':
    build();
    await myelin(['bench', 'all', '--write', 'docs/benchmarks.md', ...rest]);
    break;
  default:
    fail(
      `"${command}" is not a command of this script`,
      'Use npm start, npm test, npm run check or npm run bench.',
    );
}
