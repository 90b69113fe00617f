import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { type Answer, answerSchema } from '../protocol/answer.ts';
import type { Right } from '../protocol/right.ts';
import { httpStatus } from './http-status.ts';

/** What the routes of the HTTP API have in common. */

export const projectNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,63}$/, '1 to 64 letters, digits, dots, dashes or underscores');

export const answerOf = <T extends z.ZodType>(data: T) => answerSchema.extend({ data });
export const plainAnswer = answerOf(z.unknown().optional());
export const refused = { '4xx': answerSchema, '5xx': answerSchema } as const;

/** The head of a route in the API's description. */
export const about = (tag: string, summary: string, right: Right) => ({
  tags: [tag],
  summary,
  description: `Needs the right \`${right}\`.`,
  security: [{ token: [] }],
});

export const send = (reply: FastifyReply, answer: Answer) =>
  reply.code(httpStatus(answer)).send(answer as never);
