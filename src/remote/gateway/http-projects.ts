import { Readable } from 'node:stream';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import type { ProjectStore, ProjectSummary, ProjectVersion } from '../projects/project-store.ts';
import { success } from '../protocol/answer.ts';
import {
  installedSchema,
  type ProjectDetail,
  type ProjectSummaryInfo,
  projectDetailSchema,
  projectDiffSchema,
  projectListSchema,
} from '../protocol/projects.ts';
import type { CommandDesk } from './command-desk.ts';
import { about, answerOf, plainAnswer, projectNameSchema, refused, send } from './http-answers.ts';
import { type Http, identityOf, requires, typed } from './http-server.ts';

/** What the routes need of the store. What is running is changed by the worker alone. */
export type StoredProjects = Pick<ProjectStore, 'list' | 'version' | 'diff' | 'download' | 'remove'>;

export interface ProjectRoutesOptions {
  readonly authenticator: Authenticator;
  readonly desk: CommandDesk;
  readonly secure: boolean;
  readonly projects: StoredProjects;
}

const versionSchema = z
  .string()
  .regex(/^[0-9a-f]{6,64}$/, 'a version: its 64 hexadecimal digits, or the first six or more of them');
const nameSchema = z.object({ name: projectNameSchema });
const ofVersion = z.object({ version: versionSchema.optional() });

/** Projects and their versions on disk: look at them, fetch them, go back to one, remove them. */
export function registerProjects(http: Http, options: ProjectRoutesOptions): void {
  registerReading(http, options);
  registerChanging(http, options);
}

function registerReading(http: Http, { authenticator, secure, projects }: ProjectRoutesOptions): void {
  const app = typed(http);
  const observe = requires(authenticator, 'observe', secure);
  app.get(
    '/api/projects',
    {
      ...observe,
      schema: {
        ...about(
          'projects',
          'Projects and their versions, newest first; how many files, not which',
          'observe',
        ),
        response: { 200: answerOf(projectListSchema), ...refused },
      },
    },
    async (_request, reply) =>
      send(reply, success('Projects', { projects: (await projects.list()).map(summary) })),
  );
  app.get(
    '/api/projects/:name',
    {
      ...observe,
      schema: {
        ...about('projects', 'One project and the files of all its versions, or of the one named', 'observe'),
        params: nameSchema,
        querystring: ofVersion,
        response: { 200: answerOf(projectDetailSchema), ...refused },
      },
    },
    async ({ params, query }, reply) => {
      const found = (await projects.list()).find(({ project }) => project === params.name);
      if (found === undefined) throw new MyelinError('PROJECT_UNKNOWN', { project: params.name });
      const versions =
        query.version === undefined ? found.versions : [await projects.version(params.name, query.version)];
      return send(reply, success('Project', detail({ ...found, versions })));
    },
  );
  app.get(
    '/api/projects/:name/diff',
    {
      ...observe,
      schema: {
        ...about('projects', 'Paths that differ between two versions (to: the current one)', 'observe'),
        params: nameSchema,
        querystring: z.object({ from: versionSchema, to: versionSchema.optional() }),
        response: { 200: answerOf(projectDiffSchema), ...refused },
      },
    },
    async ({ params, query }, reply) =>
      send(reply, success('Difference', await projects.diff(params.name, query.from, query.to))),
  );
  app.get(
    '/api/projects/:name/archive',
    {
      ...observe,
      schema: {
        ...about('projects', 'A version (default: the current one) as a ZIP archive, streamed', 'observe'),
        params: nameSchema,
        querystring: ofVersion,
        response: { 200: z.unknown().describe('application/zip'), ...refused },
      },
    },
    async ({ params, query }, reply) => {
      // Looked up first: once bytes have gone out, no error can follow them.
      const { project, id } = await projects.version(params.name, query.version);
      return reply
        .type('application/zip')
        .header('content-disposition', `attachment; filename="${project}-${id.slice(0, 12)}.zip"`)
        .send(Readable.from(projects.download(project, id), { objectMode: false }));
    },
  );
}

function registerChanging(http: Http, { authenticator, secure, desk, projects }: ProjectRoutesOptions): void {
  const app = typed(http);
  const deploy = requires(authenticator, 'deploy', secure);
  app.post(
    '/api/projects/:name/rollback',
    {
      ...deploy,
      schema: {
        ...about('projects', 'Run the version before, or the one named', 'deploy'),
        params: nameSchema,
        body: z.strictObject({ version: versionSchema.optional() }).nullish(),
        response: { 200: answerOf(installedSchema), ...refused },
      },
    },
    async (request, reply) => {
      const asker = { identity: identityOf(request), protocol: 'http' };
      return send(reply, await desk.rollback(asker, request.params.name, request.body?.version));
    },
  );
  app.delete(
    '/api/projects/:name',
    {
      ...deploy,
      schema: {
        ...about('projects', 'Remove a version, or a whole project. Neither may be in use', 'deploy'),
        params: nameSchema,
        querystring: ofVersion,
        response: { 200: plainAnswer, ...refused },
      },
    },
    async (request, reply) => {
      const asker = { identity: identityOf(request), protocol: 'http' };
      const { name } = request.params;
      const { version } = request.query;
      return send(reply, await desk.remove(asker, name, () => projects.remove(name, version)));
    },
  );
}

const projectHead = ({ project, current, active }: ProjectSummary) => ({
  project,
  ...(current === undefined ? {} : { current }),
  active,
});
/** Without the folders of this machine. */
const versionHead = ({ id, project, language, createdUnixS, bytes }: ProjectVersion) => ({
  id,
  project,
  language,
  createdUnixS,
  bytes,
});

const summary = (found: ProjectSummary): ProjectSummaryInfo => ({
  ...projectHead(found),
  versions: found.versions.map((version) => ({ ...versionHead(version), fileCount: version.files.length })),
});

const detail = (found: ProjectSummary): ProjectDetail => ({
  ...projectHead(found),
  versions: found.versions.map((version) => ({ ...versionHead(version), files: [...version.files] })),
});
