import { join } from 'node:path';
import { type Started, start } from '../support/processes.ts';
import { ROOT, venvPython } from './venv.ts';

const NAME = 'lerobot-async-venv';
const LEROBOT = join(ROOT, '.cache/lerobot-0.6.1');
const SCRIPTS = join(import.meta.dirname, 'python');

/**
 * A Python with LeRobot's asynchronous inference; undefined where there is none. LeRobot comes without the packages it
 * asks for, all but the few that its server and client really use: see `python/lerobot_async.py`. It is written for
 * 3.12; the modules used here run on 3.11 too.
 */
export const lerobotPython = (): string | undefined =>
  venvPython({
    name: NAME,
    minor: [11, 13],
    installs: [
      'torch==2.13.0 numpy==2.2.6 grpcio==1.80.0 protobuf==6.33.5',
      `--no-deps --ignore-requires-python --upgrade --target ${LEROBOT} lerobot==0.6.1`,
    ],
  });

/** Starts one of the scripts in `python/`. */
export const lerobotScript = (name: string, args: readonly string[]): Started =>
  start([join(ROOT, '.cache', NAME, 'bin/python'), join(SCRIPTS, name), ...args], {
    LEROBOT,
    PYTHONPATH: SCRIPTS,
  });
