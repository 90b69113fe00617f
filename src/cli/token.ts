import { Command, Option } from 'commander';
import { unixS } from '../platform/clock.ts';
import { TokenStore } from '../remote/auth/token-store.ts';
import { systemPaths } from '../remote/config/paths.ts';
import { RIGHTS, type Right } from '../remote/protocol/right.ts';
import { addConfigFlags, configOf } from './config-flags.ts';

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const open = (options: Record<string, unknown>): TokenStore =>
  new TokenStore(systemPaths(configOf(options)).tokens, { unixS });
const day = (unixSeconds: number | undefined): string =>
  unixSeconds === undefined
    ? 'never'
    : new Date(unixSeconds * 1000).toISOString().slice(0, 16).replace('T', ' ');

/** `myelin token`: who may use a gateway. */
export function tokenCommand(): Command {
  const command = new Command('token').description('Create, list and revoke the tokens of a gateway');
  const create = new Command('create')
    .description('Make a token and print it, once; a running gateway takes it at once')
    .argument('<name>', 'who or what it is for')
    .addOption(
      new Option('--right <right>', 'what it allows; each right contains those before it')
        .choices(RIGHTS)
        .default('operate'),
    )
    .action(async (name: string, options: Record<string, unknown> & { right: Right }) => {
      const { token } = await open(options).create(name, options.right);
      say(token);
    });
  const list = new Command('list')
    .description('Show what tokens there are; not the tokens, which nobody has kept')
    .option('--json', 'as JSON', false)
    .action((options: Record<string, unknown>) => {
      const tokens = open(options).list();
      if (options.json === true) return say(JSON.stringify(tokens));
      if (tokens.length === 0) return say('There are no tokens. Make one: myelin token create NAME');
      say(`${'id'.padEnd(10)}${'right'.padEnd(9)}${'created'.padEnd(18)}${'last used'.padEnd(18)}name`);
      for (const { id, right, createdUnixS, lastUsedUnixS, name } of tokens)
        say(
          `${id.padEnd(10)}${right.padEnd(9)}${day(createdUnixS).padEnd(18)}${day(lastUsedUnixS).padEnd(18)}${name}`,
        );
    });
  const revoke = new Command('revoke')
    .description('End a token; who uses it now is disconnected within a second')
    .argument('<id-or-name>')
    .action(async (idOrName: string, options: Record<string, unknown>) => {
      const { id, name, right } = await open(options).revoke(idOrName);
      say(`revoked ${id} "${name}" (${right})`);
    });
  for (const child of [create, list, revoke]) command.addCommand(addConfigFlags(child, ['storage']));
  return command.addHelpText(
    'after',
    `
Rights: observe < operate < deploy < admin. A stop needs no more than observe.

Examples:
  myelin token create "lab laptop" --right deploy
  myelin token list
  myelin token revoke "lab laptop"`,
  );
}
