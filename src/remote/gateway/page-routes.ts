import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { LIVE_PATH } from './live-feed.ts';

export interface PageFolders {
  /** Folder of the built page. Without it (or when it is missing) `/` says how to build it. */
  readonly pageFolder?: string | undefined;
  /** Folder of the arm descriptions, served under `/models/`. */
  readonly modelsFolder?: string | undefined;
}

const present = (folder: string | undefined): folder is string =>
  folder !== undefined && isAbsolute(folder) && existsSync(folder);

/** The page and the arm descriptions, as files. */
export async function registerPage(app: FastifyInstance, folders: PageFolders): Promise<void> {
  app.get(LIVE_PATH, { schema: { hide: true } as object }, async (_request, reply) =>
    reply.code(426).send({ error: 'This is a WebSocket' }),
  );
  if (present(folders.modelsFolder)) {
    await app.register(fastifyStatic, {
      root: folders.modelsFolder,
      prefix: '/models/',
      index: false,
      decorateReply: false,
    });
  }
  if (present(folders.pageFolder)) {
    // File names of the bundle carry a hash of their content; index.html does not.
    await app.register(fastifyStatic, {
      root: folders.pageFolder,
      cacheControl: false,
      decorateReply: false,
    });
  } else {
    app.get('/', { schema: { hide: true } as object }, async (_request, reply) =>
      reply.code(503).type('text/plain').send('The page is not built yet. Run: npx vite build console\n'),
    );
  }
}
