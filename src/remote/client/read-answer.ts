import { z } from 'zod';
import { type Answer, answerSchema } from '../protocol/answer.ts';
import { RemoteError } from './remote-error.ts';

export async function answerOf(response: { status: number; text(): Promise<string> }): Promise<Answer> {
  const text = await response.text();
  return readAnswer(response.status, text);
}

/** An answer of the gateway; what is none (a proxy's page) becomes one that says so. */
export function readAnswer(status: number, text: string): Answer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const answer = answerSchema.safeParse(value);
  if (answer.success) return answer.data;
  return {
    status: 'error',
    code: 'GATEWAY_UNREACHABLE',
    message: `Something that is no gateway answered (HTTP ${status})`,
    hint: 'Check the address and the port.',
    retryable: false,
  };
}

export function dataOf<T>(answer: Answer, schema: z.ZodType<T>): T {
  if (answer.status === 'error') throw RemoteError.of(answer);
  const data = schema.safeParse(answer.data);
  if (data.success) return data.data;
  throw new RemoteError({
    code: 'MESSAGE_INVALID',
    message: `The gateway's answer is not what this client knows: ${z.prettifyError(data.error)}`,
    hint: 'Use a client of the same version as the gateway.',
  });
}
