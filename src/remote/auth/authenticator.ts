import type { IncomingHttpHeaders } from 'node:http';
import { MyelinError } from '../../core/errors.ts';
import { bearerToken, isLoopback } from '../../serving/engine/listen.ts';
import { isLoopbackHost } from '../gateway/loopback-guard.ts';
import { allows, type Right } from '../protocol/right.ts';
import type { AttemptLimiter } from './attempt-limiter.ts';
import { originAllowed } from './origin.ts';
import type { TokenStore } from './token-store.ts';

/** Who asks. */
export interface Identity {
  /** For people: the token's name, or `local`. */
  readonly name: string;
  readonly right: Right;
  /** Absent for a local client without a token. */
  readonly tokenId?: string;
  readonly address: string;
}

/** What a connection shows of itself. */
export interface Caller {
  readonly headers: IncomingHttpHeaders;
  readonly address: string;
  readonly secure: boolean;
  /** A token that did not come in the `Authorization` header: Socket.IO's `auth`, a WebSocket's subprotocol. */
  readonly token?: string | undefined;
}

export interface AuthenticatorOptions {
  readonly tokens: TokenStore;
  readonly limiter: AttemptLimiter;
  /** What programs and pages of this machine may do without a token. */
  readonly local: Right | 'none';
  readonly allowedOrigins: readonly string[];
  readonly onRefused?: (caller: Caller, error: MyelinError) => void;
}

/** Headers that a proxy adds: what comes through one is not from this machine, whatever its address says. */
const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];
/** Subprotocol in which a browser, which cannot set headers for a WebSocket, shows its token. */
const BEARER_PROTOCOL = 'bearer.';
/** Longer texts are no tokens of ours and not worth hashing. */
const MOST_CHARACTERS = 256;

/** Decides who a connection is and what it may do. The one place where that is decided. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** Why another web page may not talk to this server, or undefined. Asked before anything else. */
  originRefusal({ headers, secure }: Pick<Caller, 'headers' | 'secure'>): MyelinError | undefined {
    const { host, origin } = headers;
    if (originAllowed(origin, { host, secure, allowed: this.#options.allowedOrigins })) return undefined;
    return new MyelinError('ORIGIN_REFUSED', { origin: String(origin).slice(0, 200) });
  }

  /** @throws MyelinError ORIGIN_REFUSED, TOKEN_MISSING, TOKEN_REFUSED, TOO_MANY_ATTEMPTS */
  identify(caller: Caller): Identity {
    try {
      return this.#identify(caller);
    } catch (thrown) {
      if (thrown instanceof MyelinError) this.#options.onRefused?.(caller, thrown);
      throw thrown;
    }
  }

  /** @throws MyelinError RIGHT_MISSING, TOKEN_REFUSED for a token that was revoked meanwhile */
  check(identity: Identity, needs: Right): void {
    if (!this.stillValid(identity))
      throw new MyelinError('TOKEN_REFUSED', { client: identity.name, fault: 'revoked' });
    if (!allows(identity.right, needs))
      throw new MyelinError('RIGHT_MISSING', { right: needs, has: identity.right });
  }

  stillValid({ tokenId }: Identity): boolean {
    return tokenId === undefined || this.#options.tokens.holds(tokenId);
  }

  /** Whether it comes straight from this machine and was meant for it: no proxy, no rebound name. */
  isLocal({ headers, address }: Pick<Caller, 'headers' | 'address'>): boolean {
    const proxied = PROXY_HEADERS.some((name) => headers[name] !== undefined);
    return isLoopback(address) && isLoopbackHost(headers.host) && !proxied;
  }

  #identify(caller: Caller): Identity {
    const { tokens, limiter, local } = this.#options;
    const { headers, address } = caller;
    const refusal = this.originRefusal(caller);
    if (refusal !== undefined) throw refusal;
    const token = caller.token ?? bearerToken(headers.authorization) ?? subprotocolToken(headers);
    if (token === undefined) {
      if (local === 'none' || !this.isLocal(caller))
        throw new MyelinError('TOKEN_MISSING', { right: 'observe' });
      return { name: 'local', right: local, address };
    }
    const found = token.length > MOST_CHARACTERS ? undefined : tokens.find(token);
    if (found !== undefined) return { name: found.name, right: found.right, tokenId: found.id, address };
    const seconds = limiter.waitS(address);
    if (seconds > 0) throw new MyelinError('TOO_MANY_ATTEMPTS', { client: address, seconds });
    limiter.failed(address);
    throw new MyelinError('TOKEN_REFUSED', { client: address, fault: 'not known' });
  }
}

/** The token among `Sec-WebSocket-Protocol: myelin, bearer.TOKEN`. */
function subprotocolToken(headers: IncomingHttpHeaders): string | undefined {
  const offered = headers['sec-websocket-protocol']?.split(',').map((part) => part.trim());
  return offered?.find((part) => part.startsWith(BEARER_PROTOCOL))?.slice(BEARER_PROTOCOL.length);
}
