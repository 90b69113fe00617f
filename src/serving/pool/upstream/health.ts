import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';

/** Health pages, the first of them that a server knows: openpi's and Myelin's, then vLLM's and SGLang's. */
const PAGES = ['/healthz', '/health'];

/**
 * Asks a server over HTTP whether it is well.
 * @param url its WebSocket address
 * @param ca PEM of the authority that signed its certificate, where Node does not know it
 * @returns why it is not; undefined when it is, or when it answers but has no health page
 */
export async function healthFault(url: string, timeoutMs: number, ca?: Buffer): Promise<string | undefined> {
  for (const page of PAGES) {
    try {
      const status = await statusOf(new URL(page, url), timeoutMs, ca);
      if (status >= 200 && status < 300) return undefined;
      if (status >= 500) return `${page} answers ${status}`;
    } catch (thrown) {
      const { cause, message } = thrown as Error;
      return cause instanceof Error ? cause.message : message;
    }
  }
  return undefined;
}

function statusOf({ protocol, host, pathname }: URL, timeoutMs: number, ca?: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const answered = (response: IncomingMessage) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    };
    const common = { agent: false, signal: AbortSignal.timeout(timeoutMs) } as const;
    const request =
      protocol === 'wss:'
        ? getHttps(`https://${host}${pathname}`, { ...common, ...(ca === undefined ? {} : { ca }) }, answered)
        : getHttp(`http://${host}${pathname}`, common, answered);
    request.on('error', reject);
  });
}
