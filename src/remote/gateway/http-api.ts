import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { type TokenStore, tokenNameSchema } from '../auth/token-store.ts';
import { success } from '../protocol/answer.ts';
import { workerStatusSchema } from '../protocol/ipc.ts';
import { operatorInfoSchema } from '../protocol/notice.ts';
import { processParamsSchema } from '../protocol/requests.ts';
import { RIGHTS, type Right } from '../protocol/right.ts';
import type { CommandDesk } from './command-desk.ts';
import { about, answerOf, plainAnswer, projectNameSchema, refused, send } from './http-answers.ts';
import { registerProjects, type StoredProjects } from './http-projects.ts';
import { type Http, identityOf, requires, typed } from './http-server.ts';
import type { Uploads } from './uploads.ts';

export interface ApiOptions {
  readonly authenticator: Authenticator;
  readonly tokens: TokenStore;
  readonly desk: CommandDesk;
  readonly uploads: Uploads;
  readonly projects: StoredProjects;
  readonly secure: boolean;
  readonly maxUploadBytes: number;
  readonly status: () => GatewayStatus;
  /** The newest lines of the log, oldest first. */
  readonly logTail: (lines: number) => Promise<readonly string[]>;
  readonly onUploaded: (bytes: number) => void;
}

export const gatewayStatusSchema = z.object({
  version: z.string(),
  uptimeS: z.number(),
  worker: z.object({
    state: z.enum(['starting', 'ready', 'restarting', 'stopped']),
    status: workerStatusSchema.nullable(),
  }),
  operator: operatorInfoSchema.shape.holder,
  clients: z.record(z.string(), z.number()),
  arm: z.object({
    segment: z.string(),
    /** Null while there is no control process. */
    state: z.string().nullable(),
  }),
});
export type GatewayStatus = z.infer<typeof gatewayStatusSchema>;

const tokenInfoSchema = z.object({
  id: z.string(),
  name: z.string(),
  right: z.enum(RIGHTS),
  createdUnixS: z.number(),
  lastUsedUnixS: z.number().optional(),
});

/** What can be done over HTTP: status, arm, calls, projects, uploads, tokens, log. */
export async function registerApi(http: Http, options: ApiOptions): Promise<void> {
  const { authenticator, secure, desk } = options;
  const app = typed(http);
  const needs = (right: Right) => requires(authenticator, right, secure);
  const asker = (request: Parameters<typeof identityOf>[0]) => ({
    identity: identityOf(request),
    protocol: 'http',
  });

  app.get(
    '/api/status',
    {
      ...needs('observe'),
      schema: {
        ...about('system', 'Arm, worker, operator and clients at a glance', 'observe'),
        response: { 200: answerOf(gatewayStatusSchema), ...refused },
      },
    },
    async (_request, reply) => send(reply, success('Status', options.status())),
  );
  app.get(
    '/api/logs',
    {
      ...needs('operate'),
      schema: {
        ...about('system', 'The newest lines of the log', 'operate'),
        querystring: z.object({ lines: z.coerce.number().int().min(1).max(5000).default(200) }),
        response: { 200: answerOf(z.object({ lines: z.array(z.string()) })), ...refused },
      },
    },
    async (request, reply) =>
      send(reply, success('Log', { lines: await options.logTail(request.query.lines) })),
  );
  for (const request of ['start', 'pause', 'reset', 'stop'] as const) {
    const right = request === 'stop' ? 'observe' : 'operate';
    app.post(
      `/api/arm/${request}`,
      {
        ...needs(right),
        schema: {
          ...about('arm', `${request[0]?.toUpperCase()}${request.slice(1)} the arm`, right),
          response: { 200: plainAnswer, ...refused },
        },
      },
      async (asked, reply) => send(reply, await desk.arm(asker(asked), request)),
    );
  }
  app.get(
    '/api/operator',
    {
      ...needs('observe'),
      schema: {
        ...about('operator', 'Who operates this robot', 'observe'),
        response: { 200: answerOf(operatorInfoSchema), ...refused },
      },
    },
    async (request, reply) => send(reply, await desk.operator(asker(request), 'status')),
  );
  app.delete(
    '/api/operator',
    {
      ...needs('admin'),
      schema: {
        ...about('operator', 'Take the lease from whoever operates', 'admin'),
        response: { 200: answerOf(operatorInfoSchema), ...refused },
      },
    },
    async (request, reply) => send(reply, await desk.operator(asker(request), 'release')),
  );
  app.post(
    '/api/process',
    {
      ...needs('operate'),
      schema: {
        ...about('projects', 'Call a method of an object, or a function, of a project', 'operate'),
        body: processParamsSchema,
        response: { 200: plainAnswer, ...refused },
      },
    },
    async (request, reply) => send(reply, await desk.process(asker(request), request.body)),
  );
  app.post(
    '/api/projects/:name/start',
    {
      ...needs('operate'),
      schema: {
        ...about('projects', 'Load a project', 'operate'),
        params: z.object({ name: projectNameSchema }),
        response: { 200: plainAnswer, ...refused },
      },
    },
    async (request, reply) => send(reply, await desk.start(asker(request), request.params.name)),
  );
  const described = about('projects', 'Upload a project: a ZIP archive as the body, streamed', 'deploy');
  await http.register((upload, _nothing, done) => {
    registerUpload(upload, options, described);
    done();
  });
  registerProjects(http, options);
  registerTokens(http, options);
}

/** A stream of its own: nobody waits for an upload, and it takes no memory to speak of. */
function registerUpload(http: Http, options: ApiOptions, described: object): void {
  const { authenticator, secure, desk, uploads, maxUploadBytes } = options;
  // Whatever it is called, it is bytes; the stream is left alone here.
  http.removeAllContentTypeParsers();
  http.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  typed(http).put(
    '/api/projects/:name',
    {
      ...requires(authenticator, 'deploy', secure),
      bodyLimit: maxUploadBytes,
      schema: {
        ...described,
        params: z.object({ name: projectNameSchema }),
        response: { 200: plainAnswer, ...refused },
      },
    },
    async (request, reply) => {
      const asker = { identity: identityOf(request), protocol: 'http' };
      const answer = await desk.answer(asker, 'update', async () => {
        desk.allow(asker, 'deploy');
        const declared = Number(request.headers['content-length'] ?? 0);
        if (declared > maxUploadBytes)
          throw new MyelinError('MESSAGE_TOO_LARGE', { bytes: declared, most: maxUploadBytes });
        const { file, bytes } = await uploads.fromStream(request.raw, maxUploadBytes);
        options.onUploaded(bytes);
        return await desk.install(file, request.params.name);
      });
      // What was not read of a refused upload would be taken for the next request.
      if (answer.status === 'error' && !request.raw.readableEnded) reply.header('connection', 'close');
      return send(reply, answer);
    },
  );
}

function registerTokens(http: Http, { authenticator, secure, tokens }: ApiOptions): void {
  const app = typed(http);
  const admin = requires(authenticator, 'admin', secure);
  app.get(
    '/api/tokens',
    {
      ...admin,
      schema: {
        ...about('tokens', 'What tokens there are', 'admin'),
        response: { 200: answerOf(z.object({ tokens: z.array(tokenInfoSchema) })), ...refused },
      },
    },
    async (_request, reply) => send(reply, success('Tokens', { tokens: tokens.list() })),
  );
  app.post(
    '/api/tokens',
    {
      ...admin,
      schema: {
        ...about('tokens', 'Make a token; it is shown here and never again', 'admin'),
        body: z.strictObject({ name: tokenNameSchema, right: z.enum(RIGHTS) }),
        response: { 200: answerOf(tokenInfoSchema.extend({ token: z.string() })), ...refused },
      },
    },
    async (request, reply) => {
      const { token, info } = await tokens.create(request.body.name, request.body.right);
      return send(reply, success('The token is shown only once', { ...info, token }));
    },
  );
  app.delete(
    '/api/tokens/:id',
    {
      ...admin,
      schema: {
        ...about('tokens', 'End a token, by id or name', 'admin'),
        params: z.object({ id: z.string().min(1).max(64) }),
        response: { 200: answerOf(tokenInfoSchema), ...refused },
      },
    },
    async (request, reply) => send(reply, success('Revoked', await tokens.revoke(request.params.id))),
  );
}
