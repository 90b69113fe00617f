import type { Answer } from '../protocol/answer.ts';
import { answerOf, readAnswer } from './read-answer.ts';
import { localError } from './remote-error.ts';

/** A ZIP archive: in memory, a file of the browser, or chunks from anywhere. */
export type UploadBody = Blob | Uint8Array<ArrayBuffer> | AsyncIterable<Uint8Array>;

export interface UploadProgress {
  /** Bytes handed to the network so far, and in all where that is known. */
  readonly onProgress?: ((sent: number, total: number | undefined) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is used of XMLHttpRequest, which is no part of Node and its types. */
interface BrowserRequest {
  readonly upload: { onprogress: ((event: { loaded: number }) => void) | null };
  readonly status: number;
  readonly responseText: string;
  onload: (() => void) | null;
  onerror: (() => void) | null;
  onabort: (() => void) | null;
  open(method: string, url: string): void;
  setRequestHeader(name: string, value: string): void;
  send(body: Blob): void;
  abort(): void;
}

const CHUNK_BYTES = 65_536;

/** PUTs a body chunk by chunk. Browsers report progress through XMLHttpRequest alone; elsewhere the body is a stream. */
export async function uploadBody(
  url: string,
  headers: Record<string, string>,
  body: UploadBody,
  progress: UploadProgress,
  fetchIt: (init: RequestInit) => Promise<Response>,
): Promise<Answer> {
  const { XMLHttpRequest } = globalThis as { XMLHttpRequest?: new () => BrowserRequest };
  if (XMLHttpRequest !== undefined) {
    return await byXhr(new XMLHttpRequest(), url, headers, await wholeOf(body), progress);
  }
  const { onProgress, signal } = progress;
  const total = sizeOf(body);
  const chunks = chunksOf(body);
  let sent = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) {
        controller.close();
        return;
      }
      sent += value.length;
      controller.enqueue(value);
      onProgress?.(sent, total);
    },
    async cancel() {
      await chunks.return?.(undefined);
    },
  });
  // `duplex` is asked for by the standard and missing in the types.
  const init = { method: 'PUT', headers, body: stream, duplex: 'half', ...(signal ? { signal } : {}) };
  return await answerOf(await fetchIt(init as RequestInit));
}

const sizeOf = (body: UploadBody): number | undefined => {
  if (body instanceof Blob) return body.size;
  return body instanceof Uint8Array ? body.length : undefined;
};

async function* chunksOf(body: UploadBody): AsyncGenerator<Uint8Array, void> {
  if (body instanceof Uint8Array) {
    for (let at = 0; at < body.length; at += CHUNK_BYTES) yield body.subarray(at, at + CHUNK_BYTES);
  } else if (body instanceof Blob) {
    for (let at = 0; at < body.size; at += CHUNK_BYTES) {
      yield new Uint8Array(await body.slice(at, at + CHUNK_BYTES).arrayBuffer());
    }
  } else yield* body;
}

async function wholeOf(body: UploadBody): Promise<Blob> {
  if (body instanceof Blob) return body;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of chunksOf(body)) parts.push(new Uint8Array(chunk));
  return new Blob(parts);
}

function byXhr(
  request: BrowserRequest,
  url: string,
  headers: Record<string, string>,
  body: Blob,
  { onProgress, signal }: UploadProgress,
): Promise<Answer> {
  return new Promise((done, fail) => {
    request.open('PUT', url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => onProgress?.(loaded, body.size);
    request.onload = () => done(readAnswer(request.status, request.responseText));
    request.onerror = () => fail(localError('GATEWAY_UNREACHABLE', { url, reason: 'the connection failed' }));
    request.onabort = () => fail(signal?.reason ?? new DOMException('Aborted', 'AbortError'));
    signal?.addEventListener('abort', () => request.abort(), { once: true });
    if (signal?.aborted) request.abort();
    else request.send(body);
  });
}
