import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { packageRoot } from '../platform/entry.ts';
import { controlCommand } from './control.ts';
import { gatewayCommand } from './gateway.ts';
import { healthCommand } from './health.ts';
import { tokenCommand } from './token.ts';
import { upCommand } from './up.ts';

/** What the deployment files say, read as the programs that use them read them. */

export const fileText = (path: string): string => readFileSync(join(packageRoot(), path), 'utf8');

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** A Dockerfile's instructions by stage: continued lines joined, comments left out. */
export function dockerStages(text: string): Instruction[][] {
  const lines = text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: Instruction[][] = [];
  for (const line of lines) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === 'FROM') stages.push([]);
    stages.at(-1)?.push({ name, text: rest });
  }
  return stages;
}

export const instructions = (stage: readonly Instruction[], name: string): string[] =>
  stage.filter((instruction) => instruction.name === name).map(({ text }) => text);

/** `A=1 B=2` as a map. */
export const assignments = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .trim()
      .split(/\s+/)
      .map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
  );

/** Whether a builder gets this file: the last pattern of `.dockerignore` that fits decides. */
export function reachesBuilder(ignore: string, path: string): boolean {
  let sent = true;
  for (const line of ignore.split('\n')) {
    const pattern = line.trim();
    if (pattern === '' || pattern.startsWith('#')) continue;
    const keep = pattern.startsWith('!');
    const body = keep ? pattern.slice(1) : pattern;
    const expression = body
      .replace(/[.+^$()|[\]\\]/g, '\\$&')
      .replace(/\*\*\/|\*/g, (stars) => (stars === '*' ? '[^/]*' : '(.*/)?'));
    if (new RegExp(`^${expression}(/.*)?$`).test(path)) sent = keep;
  }
  return sent;
}

/** A systemd unit: section, then key, then its values in order. */
export function unitSections(text: string): Record<string, Record<string, string[]>> {
  const sections: Record<string, Record<string, string[]>> = {};
  let section: Record<string, string[]> = {};
  for (const line of text.split('\n')) {
    const heading = /^\[(\w+)\]$/.exec(line)?.[1];
    if (heading !== undefined) {
      section = {};
      sections[heading] = section;
    } else if (line !== '' && !line.startsWith('#')) {
      const [, key = line, value = ''] = /^(\w+)=(.*)$/.exec(line) ?? [];
      section[key] = [...(section[key] ?? []), value];
    }
  }
  return sections;
}

export interface Understood {
  /** `token create`. */
  readonly command: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * What the program makes of `myelin ...args`; nothing is carried out.
 * @throws CommanderError for a command, option or value it does not know
 */
export function understood(args: readonly string[]): Understood {
  let result: Understood | undefined;
  const program = new Command('myelin').enablePositionalOptions();
  const prepare = (command: Command, name: string) => {
    command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
    for (const child of command.commands) prepare(child, `${name} ${child.name()}`.trim());
    if (command.commands.length === 0)
      command.action(() => {
        result = { command: name, options: command.opts() };
      });
  };
  for (const command of [gatewayCommand(), controlCommand(), healthCommand(), tokenCommand(), upCommand()])
    program.addCommand(command);
  prepare(program, '');
  program.parse([...args], { from: 'user' });
  if (result === undefined) throw new Error(`myelin ${args.join(' ')} does nothing`);
  return result;
}
