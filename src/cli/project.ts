import { Command, InvalidArgumentError, Option } from 'commander';
import { whole } from './option-values.ts';
import type { GatewayAddress } from './project/gateway.ts';

const LANGUAGES = ['python', 'javascript', 'cpp'];

/** JSON of keywords or positions: what a call takes. */
const argumentsJson = (text: string): Record<string, unknown> | unknown[] => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown> | unknown[];
  } catch {
    // Told below.
  }
  throw new InvalidArgumentError(`must be JSON, an object or an array: '{"name": "Ada"}' or '[1, 2]'.`);
};

/** `myelin project`: what runs on a robot, from another machine or this one. */
export function projectCommand(): Command {
  const project = new Command('project')
    // Before the commands below are made: they take it over.
    .exitOverride()
    .description('Projects on a robot: upload, versions, calls, log, live development');
  const command = (name: string, description: string): Command =>
    project
      .command(name)
      .description(description)
      .addOption(new Option('--url <address>', 'gateway').env('MYELIN_URL').default('http://127.0.0.1:8000'))
      .addOption(
        new Option(
          '--token <token>',
          'token (others on this machine see flags; they do not see the variable)',
        ).env('MYELIN_TOKEN'),
      );

  project
    .command('init')
    .description('Make a folder with a small project to begin with')
    .argument('<folder>', 'folder to make')
    .addOption(new Option('--language <name>', 'language').choices(LANGUAGES).default('python'))
    .action(async (folder: string, options: { language: string }) => {
      const { init } = await import('./project/init.ts');
      await init(folder, options.language);
    });
  command('push', 'Upload a folder as a new version, and run it')
    .argument('[folder]', 'project folder; .gitignore and .myelinignore in it are heeded', '.')
    .option('--project <name>', "name on the robot (default: the manifest's, else the folder's)")
    .action(async (folder: string, options: GatewayAddress & { project?: string }) => {
      const { push } = await import('./project/push.ts');
      await push(folder, options);
    });
  command('list', 'Projects and their versions')
    .argument('[name]', 'only this project, with the files of its current version')
    .option('--json', 'as JSON', false)
    .action(async (name: string | undefined, options: GatewayAddress & { json: boolean }) => {
      const { list } = await import('./project/list.ts');
      await list(name, options);
    });
  command('diff', 'Files that differ between two versions')
    .argument('<name>', 'project')
    .argument('<from>', 'version, or the first six digits of it')
    .argument('[to]', 'version (default: the current one)')
    .action(async (name: string, from: string, to: string | undefined, options: GatewayAddress) => {
      const { diff } = await import('./project/versions.ts');
      await diff(name, from, to, options);
    });
  command('rollback', 'Run the version before, or another one')
    .argument('<name>', 'project')
    .argument('[version]', 'version, or the first six digits of it')
    .action(async (name: string, version: string | undefined, options: GatewayAddress) => {
      const { rollback } = await import('./project/versions.ts');
      await rollback(name, version, options);
    });
  command('download', 'Save a version as a ZIP archive')
    .argument('<name>', 'project')
    .argument('[version]', 'version (default: the current one)')
    .option('-o, --out <file>', 'file to write (default: NAME-VERSION.zip)')
    .action(async (name: string, version: string | undefined, options: GatewayAddress & { out?: string }) => {
      const { download } = await import('./project/versions.ts');
      await download(name, version, options);
    });
  command('delete', 'Remove a version that does not run, or a whole project')
    .argument('<name>', 'project')
    .argument('[version]', 'version; without one the project with all it has stored')
    .action(async (name: string, version: string | undefined, options: GatewayAddress) => {
      const { remove } = await import('./project/versions.ts');
      await remove(name, version, options);
    });
  command('logs', "The robot's log, and what projects print")
    .option('-n, --lines <number>', 'lines of the past', whole(1, 5000), 50)
    .option('-f, --follow', 'go on until Ctrl-C', false)
    .action(async (options: GatewayAddress & { lines: number; follow: boolean }) => {
      const { logs } = await import('./project/logs.ts');
      await logs(options);
    });
  command('call', 'Call a method, or a function, and print what it returns')
    .argument('<target>', 'OBJECT.METHOD, or FUNCTION')
    .argument('[arguments]', 'JSON: an object is keywords, an array positions', argumentsJson, {})
    .option('--project <name>', 'project (default: the one in use)')
    .addHelpText('after', `\nExample:\n  myelin project call greeter.hello '{"name": "Ada"}'\n`)
    .action(
      async (
        target: string,
        args: Record<string, unknown> | unknown[],
        options: GatewayAddress & { project?: string },
      ) => {
        const { call } = await import('./project/call.ts');
        await call(target, args, options);
      },
    );
  command('dev', 'Watch a folder: upload and reload on every change, show the log, until Ctrl-C')
    .argument('[folder]', 'project folder', '.')
    .option('--project <name>', "name on the robot (default: the manifest's, else the folder's)")
    .action(async (folder: string, options: GatewayAddress & { project?: string }) => {
      const { dev } = await import('./project/dev.ts');
      await dev(folder, options);
    });
  return project;
}
