import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { MyelinError } from '../../core/errors.ts';
import type { TlsFiles } from '../../serving/engine/listen.ts';
import type { Authenticator, Identity } from '../auth/authenticator.ts';
import { failure } from '../protocol/answer.ts';
import type { Right } from '../protocol/right.ts';
import { httpStatus } from './http-status.ts';
import { SECURITY_HEADERS } from './loopback-guard.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; set by {@link requires}. */
    identity: Identity | undefined;
  }
}

export type Http = FastifyInstance;
/** An app whose routes are typed by their zod schemas. */
export const typed = (app: Http) => app.withTypeProvider<ZodTypeProvider>();

const JSON_BODY_BYTES = 1 << 20;
/** A slow link may take this long for an upload. */
const REQUEST_TIMEOUT_MS = 3_600_000;
const HEADERS_TIMEOUT_MS = 10_000;

export interface HttpOptions {
  readonly tls: TlsFiles | undefined;
  readonly authenticator: Authenticator;
  readonly allowedOrigins: readonly string[];
}

/** The HTTP server: headers, origins, tokens and errors are dealt with here; what can be asked is added by others. */
export function createHttp({ tls, authenticator, allowedOrigins }: HttpOptions): Http {
  const app = fastify({
    logger: false,
    bodyLimit: JSON_BODY_BYTES,
    forceCloseConnections: true,
    serverFactory: (handler) => {
      const server =
        tls === undefined
          ? createServer(handler)
          : (createSecureServer({ cert: tls.certificate, key: tls.key }, handler) as unknown as Server);
      server.requestTimeout = REQUEST_TIMEOUT_MS;
      server.headersTimeout = HEADERS_TIMEOUT_MS;
      return server;
    },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.decorateRequest('identity', undefined);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    const { origin } = request.headers;
    const refused = authenticator.originRefusal({ headers: request.headers, secure: tls !== undefined });
    if (refused !== undefined) throw refused;
    if (origin !== undefined && allowedOrigins.includes(origin)) {
      reply.header('access-control-allow-origin', origin).header('vary', 'origin');
      if (request.method === 'OPTIONS') {
        await reply
          .header('access-control-allow-methods', 'GET, PUT, POST, DELETE')
          .header('access-control-allow-headers', 'authorization, content-type')
          .header('access-control-max-age', '600')
          .code(204)
          .send();
      }
    }
  });
  app.setErrorHandler(async (thrown, _request, reply) => {
    const answer = failure(asRequestError(thrown));
    await reply.code(httpStatus(answer)).type('application/json').send(JSON.stringify(answer));
  });
  app.setNotFoundHandler(async (request, reply) => {
    const detail = `there is no ${request.method} ${request.url.split('?')[0]?.slice(0, 200)}`;
    const answer = failure(
      new MyelinError('REQUEST_INVALID', { detail, advice: 'See /api for what there is.' }),
    );
    await reply.code(404).send(answer);
  });
  return app;
}

/** What fastify itself refuses: a body that is no JSON, does not fit its schema, or is too long. */
function asRequestError(thrown: unknown): unknown {
  if (thrown instanceof MyelinError || !(thrown instanceof Error)) return thrown;
  const { statusCode, validation } = thrown as { statusCode?: unknown; validation?: unknown };
  if (statusCode === 413)
    return new MyelinError('MESSAGE_TOO_LARGE', { bytes: 'more', most: JSON_BODY_BYTES });
  const isRequest = validation !== undefined || (typeof statusCode === 'number' && statusCode < 500);
  if (!isRequest) return thrown;
  const detail = thrown.message.slice(0, 300);
  return new MyelinError('REQUEST_INVALID', { detail, advice: 'See /api for what can be asked.' });
}

/** Lets in who has this right, and says so in the API's description. */
export const requires = (authenticator: Authenticator, needs: Right, secure: boolean) => ({
  onRequest: async (request: FastifyRequest, _reply: FastifyReply) => {
    const { headers, socket } = request.raw;
    request.identity = authenticator.identify({ headers, address: socket.remoteAddress ?? '', secure });
    authenticator.check(request.identity, needs);
  },
});

/** Who asks. For routes behind {@link requires}. */
export function identityOf(request: FastifyRequest): Identity {
  if (request.identity === undefined) throw new MyelinError('TOKEN_MISSING', { right: 'observe' });
  return request.identity;
}
