import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { packageRoot } from '../platform/entry.ts';
import { systemPaths } from '../remote/config/paths.ts';
import type { SettingKey } from '../remote/config/settings.ts';
import { addConfigFlags, configOf } from './config-flags.ts';

/** What of the gateway's configuration is the worker's too. */
const KEYS: readonly SettingKey[] = [
  'storage',
  'worker.storage_dir',
  'worker.max_execution_time',
  'worker.count',
  'worker.require_sandbox',
  'ipc.command_socket',
  'ipc.callback_socket',
  'arm.segment',
  'log.level',
];

/** `myelin worker`: runs user projects; the gateway starts it by itself. */
export function workerCommand(): Command {
  const command = new Command('worker').description(
    'Run user projects in sandboxed processes, on commands over ZeroMQ (the gateway starts this)',
  );
  return addConfigFlags(command, KEYS)
    .addHelpText(
      'after',
      `
It reads the same config.yaml and environment as the gateway; both find each other by their storage folder.

Examples:
  myelin worker --storage ./storage --workers 2      beside: myelin gateway --no-worker --storage ./storage
  myelin worker --log-level debug`,
    )
    .action(async (options: Record<string, unknown>) => {
      const config = configOf(options);
      const paths = systemPaths(config);
      const { runWorker } = await import('../remote/worker/worker-process.ts');
      const { DiskStore } = await import('../remote/projects/disk-store.ts');
      const { ExecutorKinds } = await import('../remote/executors/kinds.ts');
      const kinds = new ExecutorKinds(join(paths.projects, '.cache'));
      await runWorker({
        store: await DiskStore.open({ storageDir: paths.projects, kinds: kinds.all, ...shippedProject() }),
        kinds,
        commandSocket: paths.commandSocket,
        callbackSocket: paths.callbackSocket,
        count: config['worker.count'],
        maxExecutionS: config['worker.max_execution_time'],
        armSegment: config['arm.segment'],
        requireSandbox: config['worker.require_sandbox'],
        logLevel: config['log.level'],
      });
      // All has been answered and ended. Whatever still runs here, an installation perhaps, ends with the process.
      process.exit();
    });
}

/** The default project, where this installation has it. */
function shippedProject(): { shipped?: string } {
  const shipped = join(packageRoot(), 'projects', 'default');
  return existsSync(shipped) ? { shipped } : {};
}
