import { request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { MyelinError } from '../../core/errors.ts';
import type { Config } from '../config/settings.ts';

export interface HealthQuestion {
  /** `/healthz`: does the gateway answer. `/readyz`: would a command be carried out. */
  readonly path: '/healthz' | '/readyz';
  readonly timeoutMs: number;
}

export interface Health {
  readonly ready: boolean;
  /** What was answered, or why nothing was: one line for people. */
  readonly text: string;
}

/** The address at which this machine reaches a gateway that listens everywhere. */
const REACHED: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1', '[::]': '::1' };

/**
 * Asks the gateway that runs with this configuration.
 * @throws MyelinError INVALID_ARGUMENT when its port is 0: nobody knows which it took
 */
export async function askHealth(config: Config, { path, timeoutMs }: HealthQuestion): Promise<Health> {
  const port = config['websocket.port'];
  if (port === 0)
    throw new MyelinError('INVALID_ARGUMENT', {
      name: '--port',
      value: 0,
      allowed: 'the port it listens at',
    });
  const host = REACHED[config['websocket.host']] ?? config['websocket.host'].replace(/^\[|\]$/g, '');
  const secure = config['tls.certificate'] !== undefined;
  const url = `${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
  try {
    const { status, body } = await get(url, timeoutMs);
    return { ready: status === 200, text: `${url}: ${status} ${body}` };
  } catch (thrown) {
    return { ready: false, text: `${url}: ${thrown instanceof Error ? thrown.message : String(thrown)}` };
  }
}

function get(url: string, timeoutMs: number): Promise<{ status: number; body: string }> {
  return new Promise((done, fail) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const late = () => fail(new Error(`no answer in ${timeoutMs} ms`));
    // Nothing secret is sent, and the certificate is made out to a public name, not to a loopback address.
    const request = url.startsWith('https')
      ? requestSecure(url, { signal, rejectUnauthorized: false })
      : requestPlain(url, { signal });
    request.on('error', (error) => (signal.aborted ? late() : fail(error)));
    request.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body = (body + part).slice(0, 1000);
      });
      response.on('error', (error) => (signal.aborted ? late() : fail(error)));
      response.on('end', () => done({ status: response.statusCode ?? 0, body }));
    });
    request.end();
  });
}
