import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Repository {
  readonly commit: string;
  /** Branches and tags to commits; `main` is the commit above. */
  readonly revisions?: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, Buffer>>;
  /** Files that lie in a store of large files, elsewhere. */
  readonly large?: readonly string[];
  /** Token that may read it. */
  readonly token?: string;
  readonly gated?: boolean;
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/** What goes wrong with the next answers that carry a file's bytes; one is used up by each. */
export type Trouble =
  | { readonly kind: 'drop'; readonly afterBytes: number }
  | { readonly kind: 'hang'; readonly afterBytes: number }
  | { readonly kind: 'no ranges' }
  | { readonly kind: 'changed' }
  | { readonly kind: 'longer' }
  | { readonly kind: 'status'; readonly status: number };

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly text?: string;
  readonly file?: Buffer;
}

/** A Hub on this machine: the interface for listing and fetching, and a store of large files at another address. */
export class LocalHub {
  readonly repositories = new Map<string, Repository>();
  readonly asked: Asked[] = [];
  readonly troubles: Trouble[] = [];
  readonly #hub: Server;
  readonly #store: Server;

  private constructor() {
    this.#hub = createServer((request, response) => this.#answer(request, response));
    this.#store = createServer((request, response) => this.#serve(request, response));
  }

  static async start(): Promise<LocalHub> {
    const hub = new LocalHub();
    for (const server of [hub.#hub, hub.#store])
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return hub;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#store]) {
      server.closeAllConnections();
      await new Promise<void>((done) => {
        server.close(() => done());
      });
    }
  }

  #note(request: IncomingMessage): string[] {
    const { method = '', url = '', headers } = request;
    const { host = '', authorization, range } = headers;
    this.asked.push({ method, path: url, host, authorization, range });
    return url.split('/').slice(1).map(decodeURIComponent);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { status, headers = {}, text, file } = this.#look(request);
    if (file === undefined) response.writeHead(status, headers).end(text);
    else if (request.method === 'HEAD')
      response.writeHead(status, { ...headers, 'content-length': file.length }).end();
    else this.#send(request, response, file, headers);
  }

  #look(request: IncomingMessage): Answer {
    const parts = this.#note(request);
    const api = parts[0] === 'api';
    const [user, name, verb, revision = '', ...rest] = api ? parts.slice(2) : parts;
    const refused = (status: number, code = ''): Answer => ({ status, headers: { 'x-error-code': code } });
    const repository = this.repositories.get(`${user}/${name}`);
    if (repository === undefined) return refused(401);
    const { token, gated, commit, revisions = {}, files, large = [] } = repository;
    if (gated) return refused(403, 'GatedRepo');
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) return refused(401);
    const known = { main: commit, [commit]: commit, ...revisions };
    const found = Object.values(known).includes(revision) ? revision : known[revision];
    if (found === undefined || (verb !== 'revision' && verb !== 'resolve'))
      return refused(404, 'RevisionNotFound');
    if (api) {
      const siblings = Object.keys(files).map((rfilename) => ({ rfilename }));
      return { status: 200, text: JSON.stringify({ id: `${user}/${name}`, sha: found, siblings }) };
    }
    const path = rest.join('/');
    const file = files[path];
    if (file === undefined) return refused(404, 'EntryNotFound');
    if (large.includes(path)) {
      const { port } = this.#store.address() as AddressInfo;
      const headers = {
        location: `http://localhost:${port}/${user}/${name}/${encodeURIComponent(path)}?signature=secret`,
        'x-linked-etag': `"${createHash('sha256').update(file).digest('hex')}"`,
        'x-linked-size': file.length,
        'x-repo-commit': found,
      };
      return { status: 302, headers };
    }
    const etag = `"${createHash('sha1').update(`blob ${file.length}\0`).update(file).digest('hex')}"`;
    return { status: 200, headers: { etag, 'x-repo-commit': found }, file };
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const [user, name, path = ''] = this.#note(request);
    const file = this.repositories.get(`${user}/${name}`)?.files[path.replace(/\?.*$/, '')];
    if (file === undefined) response.writeHead(404).end();
    else this.#send(request, response, file, { etag: '"store"' });
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    whole: Buffer,
    headers: Readonly<Record<string, string | number>>,
  ): void {
    const trouble = this.troubles.shift();
    const ranges = trouble?.kind !== 'no ranges';
    const from = ranges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0;
    let bytes = Buffer.from(whole.subarray(from));
    if (trouble?.kind === 'changed') bytes[0] = (bytes[0] as number) ^ 1;
    if (trouble?.kind === 'longer') bytes = Buffer.concat([bytes, Buffer.alloc(10)]);
    const range = from > 0 ? { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` } : {};
    const busy = trouble?.kind === 'status' ? trouble.status : undefined;
    const status = busy ?? (from === 0 ? 200 : 206);
    response.writeHead(
      status,
      busy === undefined ? { ...headers, ...range, 'content-length': bytes.length } : {},
    );
    if (busy !== undefined) response.end();
    else if (trouble?.kind === 'drop' || trouble?.kind === 'hang') {
      response.write(bytes.subarray(0, trouble.afterBytes), () => {
        if (trouble.kind === 'drop') setImmediate(() => response.destroy());
      });
    } else response.end(bytes);
  }
}
