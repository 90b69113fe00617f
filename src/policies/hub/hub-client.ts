import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { type HubReference, hubReferenceText, isCommit } from './hub-reference.ts';
import type { HubSettings } from './hub-settings.ts';

/** A file of a model, as the Hub describes it without sending it. */
export interface HubFile {
  readonly name: string;
  /** SHA-256 of its bytes for large files, git's SHA-1 of the blob for others: the blob's name in the cache. */
  readonly hash: string;
  readonly bytes: number;
}

/** No network, or it fell silent. Nothing the Hub said. */
export class HubSilence extends Error {
  constructor(reason: string, cause?: unknown) {
    super(reason, { cause });
    this.name = 'HubSilence';
  }
}

const MAX_REDIRECTS = 5;
const MAX_LISTING_BYTES = 16 * 2 ** 20;
/** How long the Hub may take to begin an answer. */
export const ANSWER_TIMEOUT_MS = 15_000;

const listingSchema = z.looseObject({
  sha: z.string().refine(isCommit, 'not a commit'),
  siblings: z.array(z.looseObject({ rfilename: z.string().max(1000) })).max(100_000),
});

/** A path inside a folder on every system: no empty, `.` or `..` parts, nothing that Windows reads otherwise. */
const isSafeName = (name: string): boolean =>
  name.split('/').every((part) => /^[^\\/:*?"<>|\p{Cc}]+$/u.test(part) && part !== '.' && part !== '..');

/** Speaks the Hub's HTTP interface. The token goes to the Hub itself and to nobody it redirects to. */
export class HubClient {
  readonly #settings: HubSettings;
  readonly #signal: AbortSignal | undefined;

  constructor(settings: HubSettings, signal?: AbortSignal) {
    this.#settings = settings;
    this.#signal = signal;
  }

  /**
   * The commit a revision means now, and the names of the files in it.
   * @throws HubSilence, MyelinError HUB_REFUSED
   */
  async list(reference: HubReference): Promise<{ commit: string; names: readonly string[] }> {
    const revision = encodeURIComponent(reference.revision);
    const what = hubReferenceText(reference);
    const response = await this.#follow('GET', `/api/models/${reference.id}/revision/${revision}`);
    if (response.status !== 200) throw refusal(what, response);
    const parsed = listingSchema.safeParse(await smallJson(response));
    if (!parsed.success) {
      const advice = 'Is HF_ENDPOINT the address of a Hub?';
      throw new MyelinError('HUB_REFUSED', { what, reason: 'its answer is not a list of files', advice });
    }
    const { sha, siblings } = parsed.data;
    return { commit: sha, names: siblings.map(({ rfilename }) => rfilename).filter(isSafeName) };
  }

  /** @throws HubSilence, MyelinError HUB_REFUSED */
  async describe(reference: HubReference, commit: string, name: string): Promise<HubFile> {
    const response = await this.#follow('HEAD', filePath(reference, commit, name), {}, false);
    const what = `${name} of ${hubReferenceText(reference)}`;
    if (response.status >= 400) throw refusal(what, response);
    const header = (...names: readonly string[]) =>
      names.map((each) => response.headers.get(each)).find((value) => value !== null) ?? '';
    const hash = header('x-linked-etag', 'etag').replace(/^W\//, '').replaceAll('"', '');
    const bytes = Number(header('x-linked-size', 'content-length') || Number.NaN);
    if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash) || !Number.isSafeInteger(bytes) || bytes < 0) {
      const reason = 'it names neither a checksum nor a size';
      throw new MyelinError('HUB_REFUSED', { what, reason, advice: 'Is HF_ENDPOINT the address of a Hub?' });
    }
    return { name, hash, bytes };
  }

  /** Begins to send a file, from byte `from` on. @throws HubSilence, MyelinError HUB_REFUSED */
  async send(reference: HubReference, commit: string, name: string, from: number): Promise<Response> {
    const range: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    const response = await this.#follow('GET', filePath(reference, commit, name), range);
    if (response.status === 200 || response.status === 206 || response.status === 416) return response;
    throw refusal(`${name} of ${hubReferenceText(reference)}`, response);
  }

  async #follow(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
    elsewhere = true,
  ): Promise<Response> {
    const { endpoint, token } = this.#settings;
    let url = new URL(`${endpoint}${path}`);
    const { origin } = url;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const mayKnow = token !== undefined && url.origin === origin && isPrivate(url);
      const response = await this.#ask(url, method, {
        'user-agent': 'myelin',
        // A compressed answer could not be continued, and its length would not be the file's.
        'accept-encoding': 'identity',
        ...headers,
        ...(mayKnow ? { authorization: `Bearer ${token}` } : {}),
      });
      const location = response.headers.get('location');
      if (location === null || response.status < 300 || response.status >= 400) return response;
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      if (next === undefined || !/^https?:$/.test(next.protocol))
        throw new HubSilence(`${url.host} redirects to nowhere`);
      if (url.protocol === 'https:' && next.protocol === 'http:')
        throw new HubSilence(`${url.host} redirects to an address without encryption`);
      // What the Hub says of a file is in its own answer, not in that of the store it points to.
      if (!elsewhere && next.origin !== origin) return response;
      await response.body?.cancel();
      url = next;
    }
    throw new HubSilence(`${url.host} redirects without end`);
  }

  async #ask(url: URL, method: string, headers: Readonly<Record<string, string>>): Promise<Response> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), ANSWER_TIMEOUT_MS);
    const signals = [silence.signal, ...(this.#signal === undefined ? [] : [this.#signal])];
    try {
      // The body's own signal is the caller's alone: a long download is not a slow answer.
      return await fetch(url, { method, headers, redirect: 'manual', signal: anySignal(signals) });
    } catch (cause) {
      this.#signal?.throwIfAborted();
      if (silence.signal.aborted)
        throw new HubSilence(`${url.host} did not answer in ${ANSWER_TIMEOUT_MS} ms`);
      throw new HubSilence(`${url.host}: ${networkReason(cause)}`, cause);
    } finally {
      clearTimeout(timer);
    }
  }
}

const anySignal = (signals: readonly AbortSignal[]) => AbortSignal.any([...signals]);

/** Whether only the other end can read what is sent. */
const isPrivate = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';

const filePath = ({ id }: HubReference, commit: string, name: string): string =>
  `/${id}/resolve/${commit}/${name.split('/').map(encodeURIComponent).join('/')}`;

/** The system's word for what went wrong; fetch itself only says that it failed. */
export function networkReason(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : typeof message === 'string' ? message : 'it failed';
}

async function smallJson(response: Response): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const piece of response.body ?? []) {
      bytes += piece.length;
      if (bytes > MAX_LISTING_BYTES) return undefined;
      pieces.push(piece);
    }
  } catch (cause) {
    throw new HubSilence(`the connection broke: ${networkReason(cause)}`, cause);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString());
  } catch {
    return undefined;
  }
}

const LOGIN =
  'Set HF_TOKEN to a token of an account that may read it (https://huggingface.co/settings/tokens).';

function refusal(what: string, response: Response): MyelinError | HubSilence {
  const { status } = response;
  // Once the answer is known to be of no use nobody reads its body; left open, it would keep the connection.
  void response.body?.cancel().catch(() => undefined);
  if (status >= 500 || status === 429) return new HubSilence(`it answers ${status}`);
  const code = response.headers.get('x-error-code') ?? '';
  const refused = (reason: string, advice: string) =>
    new MyelinError('HUB_REFUSED', { what, reason, advice });
  if (code === 'GatedRepo')
    return refused('its owner asks for conditions to be accepted', `Accept them on its page, then: ${LOGIN}`);
  if (code === 'RevisionNotFound') return refused('there is no such revision', 'Check the part after the @.');
  if (code === 'EntryNotFound') return refused('there is no such file', 'Check the name on its page.');
  if (status === 404) return refused('there is no such model', 'Check its name: user/name[@revision].');
  if (status === 401 || status === 403)
    return refused('it does not exist, or is private', `Check its name. If it is private: ${LOGIN}`);
  return refused(`it answers ${status}`, 'Is HF_ENDPOINT the address of a Hub?');
}
