const parse = (text: string): URL | undefined => (URL.canParse(text) ? new URL(text) : undefined);

/**
 * Whether a browser's `Origin` may use this server: its own page, or one of a list. A browser opens WebSockets across
 * origins without asking, so this is what keeps other web pages out. No origin is a program, not a browser.
 * @param host the `Host` header
 * @param secure whether the connection is encrypted
 */
export function originAllowed(
  origin: string | undefined,
  { host, secure, allowed }: { host: string | undefined; secure: boolean; allowed: readonly string[] },
): boolean {
  if (origin === undefined) return true;
  if (allowed.includes(origin)) return true;
  const url = parse(origin);
  const own = parse(`${secure ? 'https' : 'http'}://${host ?? ''}`);
  return url !== undefined && own !== undefined && url.protocol === own.protocol && url.host === own.host;
}
