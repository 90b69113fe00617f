import { Command, Option } from 'commander';
import { addConfigFlags, configOf } from './config-flags.ts';
import { whole } from './option-values.ts';

/** `myelin health`: the question a supervisor asks. */
export function healthCommand(): Command {
  const command = new Command('health')
    .description(
      'Ask the gateway of this configuration whether it is ready: exit code 0 when it is, 1 when not',
    )
    .option('--alive', 'ask only whether the gateway itself answers, not whether its worker does', false)
    .addOption(
      new Option('--timeout <ms>', 'longest wait for an answer').argParser(whole(1, 600_000)).default(5000),
    );
  return addConfigFlags(command, ['websocket.host', 'websocket.port', 'tls.certificate'])
    .addHelpText(
      'after',
      `
It reads the same config.yaml, environment and flags as myelin gateway, and needs no token.

Examples:
  myelin health
  myelin health --port 9000 --alive`,
    )
    .action(async (options: Record<string, unknown> & { alive: boolean; timeout: number }) => {
      const { askHealth } = await import('../remote/gateway/ask-health.ts');
      const { ready, text } = await askHealth(configOf(options), {
        path: options.alive ? '/healthz' : '/readyz',
        timeoutMs: options.timeout,
      });
      process.stdout.write(`${text}\n`);
      process.exitCode = ready ? 0 : 1;
    });
}
