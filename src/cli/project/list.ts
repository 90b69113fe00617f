import type { ProjectDetail, ProjectSummaryInfo } from '../../remote/client/index.ts';
import { type GatewayAddress, projectsAt, short, size, told } from './gateway.ts';

/** Prints projects and their versions; of one that is named, the files of its current version too. */
export function list(name: string | undefined, options: GatewayAddress & { json: boolean }): Promise<void> {
  return told(async () => {
    const client = projectsAt(options);
    const projects = name === undefined ? await client.list() : [await client.get(name)];
    if (options.json) process.stdout.write(`${JSON.stringify(projects, undefined, 2)}\n`);
    else if (projects.length === 0)
      process.stdout.write('There are no projects yet: the one that ships is taken in at its first call.\n');
    else process.stdout.write(projects.map(words).join(''));
  });
}

function words({ project, active, current, versions }: ProjectSummaryInfo | ProjectDetail): string {
  const lines = [`${project}${active ? ' (in use)' : ''}`];
  for (const version of versions) {
    const { id, createdUnixS, language, bytes } = version;
    const when = new Date(createdUnixS * 1000).toISOString().replace('T', ' ').slice(0, 19);
    const mark = id === current ? '*' : ' ';
    const count = 'files' in version ? version.files.length : version.fileCount;
    lines.push(`  ${mark} ${short(id)}  ${when}  ${language}  ${count} files, ${size(bytes)}`);
    if ('files' in version && id === current)
      for (const file of version.files) lines.push(`        ${file.path}  ${size(file.bytes)}`);
  }
  return `${lines.join('\n')}\n`;
}
