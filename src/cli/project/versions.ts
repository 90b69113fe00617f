import { open, rename, rm } from 'node:fs/promises';
import { type GatewayAddress, projectsAt, short, size, told } from './gateway.ts';

/** Prints the paths that differ: `+` new, `-` gone, `~` changed. */
export function diff(
  name: string,
  from: string,
  to: string | undefined,
  address: GatewayAddress,
): Promise<void> {
  return told(async () => {
    const { added, removed, changed } = await projectsAt(address).diff(name, from, to);
    const lines = [
      ...added.map((path) => `+ ${path}`),
      ...removed.map((path) => `- ${path}`),
      ...changed.map((path) => `~ ${path}`),
    ];
    process.stdout.write(lines.length === 0 ? 'no difference\n' : `${lines.join('\n')}\n`);
  });
}

export function rollback(name: string, version: string | undefined, address: GatewayAddress): Promise<void> {
  return told(async () => {
    const projects = projectsAt(address);
    const installed = await projects.rollback(name, version);
    await projects.start(installed.project);
    process.stdout.write(`${installed.project} ${short(installed.version)} runs\n`);
  });
}

/** The file appears under its name when it is whole. */
export function download(
  name: string,
  version: string | undefined,
  options: GatewayAddress & { out?: string },
): Promise<void> {
  return told(async () => {
    const file = options.out ?? `${name}-${version === undefined ? 'current' : short(version)}.zip`;
    const partial = `${file}.partial`;
    let bytes = 0;
    const handle = await open(partial, 'w');
    try {
      for await (const chunk of projectsAt(options).download(name, version)) {
        bytes += chunk.length;
        await handle.writeFile(chunk);
      }
      await rename(partial, file);
    } finally {
      await handle.close();
      await rm(partial, { force: true });
    }
    process.stdout.write(`${file} (${size(bytes)})\n`);
  });
}

export function remove(name: string, version: string | undefined, address: GatewayAddress): Promise<void> {
  return told(async () => {
    await projectsAt(address).remove(name, version);
    process.stdout.write(version === undefined ? `removed ${name}\n` : `removed ${name} ${short(version)}\n`);
  });
}
