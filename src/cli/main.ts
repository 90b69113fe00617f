#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { toMyelinError } from '../core/errors.ts';
import { benchCommand } from './bench.ts';
import { cameraCommand } from './camera.ts';
import { controlCommand } from './control.ts';
import { inferCommand } from './infer.ts';
import { pageCommand } from './page.ts';
import { segmentCommand } from './segment.ts';
import { testCommand } from './test.ts';
import { traceCommand } from './trace.ts';
import { upCommand } from './up.ts';
import { worldCommand } from './world.ts';

const program = new Command('myelin')
  .description('A safe, fast runtime between robot-learning policies and robot arms')
  .version('0.1.0')
  .enablePositionalOptions()
  .showHelpAfterError('(add --help for the options and examples)')
  .exitOverride()
  .addHelpText(
    'after',
    `
First steps:
  myelin up                                     a simulated arm under a policy, and a page showing it
  myelin control --model X5 --interface can0    own a real arm (terminal 1)
  myelin infer -c CHECKPOINT                    run a policy on it (terminal 2)
  myelin test safety                            check this machine keeps its promises`,
  );

for (const command of [
  upCommand(),
  controlCommand(),
  inferCommand(),
  worldCommand(),
  cameraCommand(),
  pageCommand(),
  segmentCommand(),
  traceCommand(),
  benchCommand(),
  testCommand(),
]) {
  program.addCommand(command.exitOverride().showHelpAfterError('(add --help for the options and examples)'));
}

// A reader of our output that went away is no reason to leave without cleaning up.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

// Started by a supervisor: when it goes, even by kill -9, stop in order as if asked to.
if (process.channel) {
  process.channel.unref();
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
}

try {
  await program.parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    process.exitCode = thrown.exitCode === 0 ? 0 : 2;
  } else {
    const error = toMyelinError(thrown);
    process.stderr.write(`myelin: ${error.message}\n  hint: ${error.hint}\n`);
    if (error.code === 'INTERNAL' && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`);
    process.exitCode = 1;
  }
}
