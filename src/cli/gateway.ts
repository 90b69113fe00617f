import { Command } from 'commander';
import { addConfigFlags, configOf } from './config-flags.ts';

/** `myelin gateway`: remote control. */
export function gatewayCommand(): Command {
  const command = new Command('gateway')
    .description('Let people and programs deploy code to this robot, call it, watch it and stop it')
    .option('--next-free-port', 'take the next free port when this one is in use', false)
    .option('--no-worker', 'start no worker; one runs already, or none is wanted');
  return addConfigFlags(command)
    .addHelpText(
      'after',
      `
A flag outranks its environment variable, which outranks config.yaml. All of them: docs/configuration.md

Examples:
  myelin gateway
  myelin gateway --config ./config.yaml --port 9000
  myelin gateway --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
  LOG_LEVEL=DEBUG myelin gateway`,
    )
    .action(async (options: Record<string, unknown> & { nextFreePort: boolean; worker: boolean }) => {
      const config = configOf(options);
      const { runGateway } = await import('../remote/gateway/gateway-process.ts');
      await runGateway({ config, nextFreePort: options.nextFreePort, worker: options.worker });
    });
}
