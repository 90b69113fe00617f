import type { z } from 'zod';
import type { Answer } from '../protocol/answer.ts';
import { answerOf, dataOf } from './read-answer.ts';
import { localError, RemoteError } from './remote-error.ts';
import { type UploadBody, type UploadProgress, uploadBody } from './upload.ts';

export interface HttpClientOptions {
  /** Address of the gateway: `http://robot.local:8000`. */
  readonly url: string;
  readonly token?: string | undefined;
  /** Longest time for an answer, ms. Default 30 000. Uploads and downloads have none. */
  readonly timeoutMs?: number | undefined;
}

/** Requests to the gateway's HTTP API. */
export class HttpClient {
  readonly url: string;
  readonly #token: string | undefined;
  readonly #timeoutMs: number;

  constructor({ url, token, timeoutMs = 30_000 }: HttpClientOptions) {
    this.url = url.replace(/\/+$/, '');
    this.#token = token;
    this.#timeoutMs = timeoutMs;
  }

  /** `data` of the answer, checked. @throws RemoteError */
  async ask<T>(
    method: string,
    path: string,
    schema: z.ZodType<T>,
    { body, timeoutMs = this.#timeoutMs }: { readonly body?: unknown; readonly timeoutMs?: number } = {},
  ): Promise<T> {
    const init = {
      method,
      headers: { ...this.#headers(), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    };
    const response = await this.#fetch(path, init, timeoutMs);
    return dataOf(await answerOf(response), schema);
  }

  /** Streams a body to the gateway. @throws RemoteError */
  async upload(path: string, body: UploadBody, progress: UploadProgress): Promise<Answer> {
    const headers = { ...this.#headers(), 'content-type': 'application/zip' };
    const answer = await uploadBody(`${this.url}${path}`, headers, body, progress, (init) =>
      this.#fetch(path, init),
    );
    if (answer.status === 'error') throw RemoteError.of(answer);
    return answer;
  }

  /** A body in chunks. @throws RemoteError */
  async *download(path: string): AsyncGenerator<Uint8Array, void> {
    const response = await this.#fetch(path, { headers: this.#headers() });
    if (!response.ok || response.body === null) throw RemoteError.of(await answerOf(response));
    const reader = response.body.getReader();
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  #headers(): Record<string, string> {
    return this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
  }

  async #fetch(path: string, init: RequestInit, timeoutMs = this.#timeoutMs): Promise<Response> {
    try {
      return await fetch(`${this.url}${path}`, { ...init, redirect: 'error' });
    } catch (thrown) {
      if (thrown instanceof DOMException && thrown.name === 'TimeoutError') {
        throw localError('ANSWER_TIMEOUT', { request: path, seconds: timeoutMs / 1000 }, thrown);
      }
      if (thrown instanceof DOMException && thrown.name === 'AbortError') throw thrown;
      const { cause, message } = thrown as Error & { cause?: Error };
      throw localError('GATEWAY_UNREACHABLE', { url: this.url, reason: cause?.message || message }, thrown);
    }
  }
}
