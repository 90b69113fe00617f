import { basename, resolve } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { pack } from '../../remote/archive/pack.ts';
import type { Installed, ProjectsClient } from '../../remote/client/index.ts';
import type { FoundInFolder } from '../../remote/projects/folder-files.ts';
import { checkProjectName } from '../../remote/projects/manifest.ts';
import { readProjectFolder } from '../../remote/projects/project-folder.ts';
import { manifestOf } from '../../remote/projects/recognise.ts';
import { type GatewayAddress, projectsAt, short, size, told } from './gateway.ts';

/** Uploads a folder. */
export function push(folder: string, options: GatewayAddress & { project?: string }): Promise<void> {
  return told(async () => {
    const found = await readProjectFolder(folder);
    for (const path of found.others) process.stderr.write(`left out: ${path} (a link or a device)\n`);
    const project = options.project ?? (await nameOf(folder, found));
    const projects = projectsAt(options);
    const installed = await upload(projects, folder, found, project);
    await projects.start(installed.project);
    process.stdout.write(`${installed.project} ${short(installed.version)} runs (${installed.language})\n`);
  });
}

/** The name in the manifest, else the folder's. @throws MyelinError PROJECT_INVALID */
export async function nameOf(folder: string, found: FoundInFolder): Promise<string> {
  const fallback = basename(resolve(folder));
  const { name } = await manifestOf(folder, found.files, fallback);
  return checkProjectName(name ?? fallback);
}

/** Packs and uploads files of a folder in one stream, showing how far it is on a terminal. */
export async function upload(
  projects: ProjectsClient,
  folder: string,
  found: FoundInFolder,
  project: string,
): Promise<Installed> {
  if (found.files.length === 0) {
    const advice = 'Is it the right folder? See what .gitignore and .myelinignore in it leave out.';
    throw new MyelinError('PROJECT_INVALID', {
      project,
      reason: `${folder} holds no files to upload`,
      advice,
    });
  }
  const total = found.files.reduce((sum, { bytes }) => sum + bytes, 0);
  const terminal = process.stderr.isTTY;
  let shown = 0;
  const onProgress = (sent: number) => {
    if (!terminal || performance.now() - shown < 100) return;
    shown = performance.now();
    process.stderr.write(
      `\r\u001b[Kuploading ${found.files.length} files: ${size(sent)} of at most ${size(total)}`,
    );
  };
  try {
    return await projects.upload(project, pack(folder, found.files), { onProgress });
  } finally {
    if (terminal) process.stderr.write('\r\u001b[K');
  }
}
