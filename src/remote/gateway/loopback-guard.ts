/**
 * Who may talk to a server that needs no token: only this machine, and only our own page.
 *
 * A web page from elsewhere can reach a loopback port in two ways. With DNS rebinding its own name resolves to
 * 127.0.0.1, but then `Host` carries that name. By opening a WebSocket across origins, which browsers allow, but
 * then `Origin` carries its own. So `Host` must be a loopback name, and an `Origin`, where there is one, must be
 * the page's own.
 */
const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

const parse = (text: string): URL | undefined => (URL.canParse(text) ? new URL(text) : undefined);

/** `localhost:8000`, `127.0.0.1:9001` (a port forwarded over SSH keeps its own number), never a public name. */
export function isLoopbackHost(host: string | undefined): boolean {
  if (host === undefined || !/^[\w.:[\]-]+$/.test(host)) return false;
  const url = parse(`http://${host}`);
  return url !== undefined && LOOPBACK_NAMES.has(url.hostname);
}

/** Whether `origin` is the page served under `host`. No origin is a program on this machine, not a browser. */
export function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  const url = parse(origin);
  const own = parse(`http://${host ?? ''}`);
  return url !== undefined && own !== undefined && url.protocol === 'http:' && url.host === own.host;
}

/** Why this request is refused, or undefined when it may pass. */
export function refusal(headers: {
  host?: string | undefined;
  origin?: string | undefined;
}): string | undefined {
  if (!isLoopbackHost(headers.host))
    return 'This page answers only under a loopback name, such as http://localhost:8000';
  if (!isOwnOrigin(headers.origin, headers.host)) return 'This page may not be used from another web page';
  return undefined;
}

/** Sent with every answer: nothing is loaded from elsewhere, nobody frames the page. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};
