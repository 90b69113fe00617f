const KEY = 'myelin-token';

/**
 * The token this page was opened with, `#token=…`. It is kept for the next time and taken out of the address, so that
 * it is not shared with it. What stands behind a `#` is sent to no server.
 */
function readToken(): string | undefined {
  const given = /^#token=([\w.~-]+)$/.exec(location.hash)?.[1];
  try {
    if (given !== undefined) {
      localStorage.setItem(KEY, given);
      window.history.replaceState(null, '', location.pathname);
    }
    return given ?? localStorage.getItem(KEY) ?? undefined;
  } catch {
    return given; // A browser that keeps nothing.
  }
}

let token: string | undefined;
let known = false;

export function pageToken(): string | undefined {
  if (!known) token = readToken();
  known = true;
  return token;
}

export function forgetToken(): void {
  token = undefined;
  localStorage.removeItem(KEY);
}

/** A browser cannot set headers for a WebSocket, so the token travels as the name of a subprotocol. */
export function subprotocols(): string[] {
  const shown = pageToken();
  return shown === undefined ? [] : ['myelin', `bearer.${shown}`];
}
