#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { toMyelinError } from '../core/errors.ts';
import { benchCommand } from './bench.ts';
import { cameraCommand } from './camera.ts';
import { checkpointCommand } from './checkpoint.ts';
import { controlCommand } from './control.ts';
import { doctorCommand } from './doctor.ts';
import { gatewayCommand } from './gateway.ts';
import { healthCommand } from './health.ts';
import { inferCommand } from './infer.ts';
import { pageCommand } from './page.ts';
import { policyServerCommand } from './policy-server.ts';
import { projectCommand } from './project.ts';
import { robotClientCommand } from './robot-client.ts';
import { segmentCommand } from './segment.ts';
import { testCommand } from './test.ts';
import { tokenCommand } from './token.ts';
import { traceCommand } from './trace.ts';
import { tuneCommand } from './tune.ts';
import { upCommand } from './up.ts';
import { workerCommand } from './worker.ts';
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
  myelin policy-server -c CHECKPOINT            serve it to LeRobot, openpi and pi0.5 clients
  myelin doctor                                 is this machine ready for work?
  myelin test safety                            check this machine keeps its promises`,
  );

for (const command of [
  upCommand(),
  controlCommand(),
  inferCommand(),
  policyServerCommand(),
  robotClientCommand(),
  checkpointCommand(),
  worldCommand(),
  cameraCommand(),
  gatewayCommand(),
  healthCommand(),
  pageCommand(),
  projectCommand(),
  workerCommand(),
  tokenCommand(),
  segmentCommand(),
  traceCommand(),
  doctorCommand(),
  tuneCommand(),
  benchCommand(),
  testCommand(),
]) {
  program.addCommand(command.exitOverride().showHelpAfterError('(add --help for the options and examples)'));
}

// A reader of our output that went away is no reason to leave without cleaning up.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

// Started by a supervisor: when it goes, even by kill -9, even before this line was reached, stop in order as if
// asked to. `connected` is undefined when nobody supervises.
if (process.connected !== undefined) {
  const stop = () => process.kill(process.pid, 'SIGTERM');
  process.channel?.unref();
  if (process.connected) process.once('disconnect', stop);
  else stop();
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
