import fastifySwagger from '@fastify/swagger';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Authenticator } from '../auth/authenticator.ts';
import { apiPage } from './api-page.ts';
import { type Http, requires, typed } from './http-server.ts';
import type { Metrics } from './metrics.ts';
import type { WorkerState } from './worker-link.ts';

export interface DescriptionOptions {
  readonly version: string;
  readonly authenticator: Authenticator;
  readonly secure: boolean;
  readonly health: () => { readonly ok: true; readonly clients: number; readonly malformed: number };
  readonly worker: () => WorkerState;
  readonly metrics: Metrics;
}

/**
 * What the server says of itself: the API's description, made from the schemas that check requests, and what
 * supervisors ask. Registered first, so that it sees every route that follows.
 */
export async function registerDescription(http: Http, options: DescriptionOptions): Promise<void> {
  const { version, authenticator, secure } = options;
  await http.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Myelin',
        description: 'Deploy code to a robot, call it, watch it and stop it.',
        version,
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
  });
  const app = typed(http);
  const hidden = { schema: { hide: true } };
  app.get('/api/openapi.json', hidden, async (_request, reply) => {
    await reply.type('application/json').send(JSON.stringify(http.swagger()));
  });
  app.get('/api', hidden, async (_request, reply) => {
    const document = http.swagger() as Parameters<typeof apiPage>[0];
    await reply.type('text/html').send(apiPage(document));
  });
  app.get(
    '/healthz',
    {
      schema: {
        tags: ['health'],
        summary: 'Whether this process answers',
        response: { 200: z.object({ ok: z.literal(true), clients: z.number(), malformed: z.number() }) },
      },
    },
    async () => options.health(),
  );
  const readiness = z.object({ ready: z.boolean(), worker: z.string() });
  app.get(
    '/readyz',
    {
      schema: {
        tags: ['health'],
        summary: 'Whether commands would be carried out: the worker answers',
        response: { 200: readiness, 503: readiness },
      },
    },
    async (_request, reply) => {
      const worker = options.worker();
      return await reply.code(worker === 'ready' ? 200 : 503).send({ ready: worker === 'ready', worker });
    },
  );
  const observe = requires(authenticator, 'observe', secure);
  app.get(
    '/metrics',
    {
      onRequest: async (request, reply) => {
        // Nothing in it is secret, and a scraper on this machine needs no token.
        const { headers, socket } = request.raw;
        if (!authenticator.isLocal({ headers, address: socket.remoteAddress ?? '' }))
          await observe.onRequest(request, reply);
      },
      schema: { tags: ['health'], summary: 'Figures for Prometheus', security: [{ token: [] }] },
    },
    async (_request, reply) => {
      await reply.type('text/plain; version=0.0.4; charset=utf-8').send(await options.metrics.text());
    },
  );
}
