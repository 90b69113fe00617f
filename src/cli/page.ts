import { Command } from 'commander';
import { DEFAULT_ARM_SEGMENT } from '../segment/arm-layout.ts';

/** `myelin page`: the browser page on its own, for an arm that is already running. */
export function pageCommand(): Command {
  return new Command('page')
    .description('Show an arm in the browser: live 3D, cameras, state, Start / Pause / Reset / Stop')
    .option('--segment <name>', 'segment of the arm', DEFAULT_ARM_SEGMENT)
    .option('--world <name>', 'simulated world whose objects are drawn', 'default')
    .option('--port <number>', 'port on 127.0.0.1; the next free one is taken when it is in use', '8000')
    .addHelpText('after', '\nExample:\n  myelin page --segment arx5_control --port 8000\n')
    .action(async (options: { segment: string; world: string; port: string }) => {
      const { runPage } = await import('../remote/gateway/page-process.ts');
      await runPage({ segment: options.segment, world: options.world, port: Number(options.port) });
    });
}
