import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { ExclusiveName } from '../../platform/exclusive-name.ts';
import { RIGHTS, type Right } from '../protocol/right.ts';

const recordSchema = z.strictObject({
  /** Short and public, to name it by. */
  id: z.string().regex(/^[0-9a-f]{8}$/),
  name: z.string().min(1).max(64),
  right: z.enum(RIGHTS),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  createdUnixS: z.number(),
  lastUsedUnixS: z.number().optional(),
});
const fileSchema = z.strictObject({ version: z.literal(1), tokens: z.array(recordSchema).max(1000) });

export type TokenRecord = z.infer<typeof recordSchema>;
/** What may be shown of a token. */
export type TokenInfo = Omit<TokenRecord, 'sha256'>;

/** Letters, digits, blanks and the usual signs: it is shown to others. */
export const tokenNameSchema = z
  .string()
  .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,63}$/u, '1 to 64 letters, digits, blanks or . _ @ -');

const LOCK_TRIES = 200;
const LOCK_PAUSE_MS = 10;
const digest = (token: string): Buffer => createHash('sha256').update(token).digest();
const info = ({ sha256: _secret, ...rest }: TokenRecord): TokenInfo => rest;

export interface TokenStoreOptions {
  /** Seconds since 1970. */
  readonly unixS: () => number;
}

/**
 * The tokens of one storage folder, in a file of mode 0600 that holds their SHA-256 only. Several processes may
 * change it: each change is read, made and written under a lock, and every check sees the newest file.
 */
export class TokenStore {
  readonly #file: string;
  readonly #unixS: () => number;
  #records: readonly TokenRecord[] = [];
  /** Which state of the file `#records` is. */
  #seen = '';
  readonly #used = new Map<string, number>();

  constructor(file: string, { unixS }: TokenStoreOptions) {
    this.#file = resolve(file);
    this.#unixS = unixS;
    this.refresh();
  }

  get empty(): boolean {
    this.refresh();
    return this.#records.length === 0;
  }

  list(): readonly TokenInfo[] {
    this.refresh();
    return this.#records.map((record) => ({
      ...info(record),
      ...(this.#used.has(record.id) ? { lastUsedUnixS: this.#used.get(record.id) } : {}),
    }));
  }

  /**
   * Makes a token of 256 random bits. It can be read here and never again.
   * @throws MyelinError INVALID_ARGUMENT for a name that is taken or not allowed
   */
  async create(name: string, right: Right): Promise<{ token: string; info: TokenInfo }> {
    const parsed = tokenNameSchema.safeParse(name);
    if (!parsed.success) {
      const allowed = parsed.error.issues[0]?.message ?? '';
      throw new MyelinError('INVALID_ARGUMENT', {
        name: 'the name of a token',
        value: name.slice(0, 80),
        allowed,
      });
    }
    const token = `myl_${randomBytes(32).toString('base64url')}`;
    const record: TokenRecord = {
      id: randomBytes(4).toString('hex'),
      name,
      right,
      sha256: digest(token).toString('hex'),
      createdUnixS: Math.floor(this.#unixS()),
    };
    await this.#change((records) => {
      if (records.some((other) => other.name === name)) {
        const allowed = 'a name that no other token has';
        throw new MyelinError('INVALID_ARGUMENT', { name: 'the name of a token', value: name, allowed });
      }
      return [...records, record];
    });
    return { token, info: info(record) };
  }

  /** Ends a token, by id or name. @throws MyelinError TOKEN_UNKNOWN */
  async revoke(idOrName: string): Promise<TokenInfo> {
    let found: TokenRecord | undefined;
    await this.#change((records) => {
      found = records.find(({ id, name }) => id === idOrName || name === idOrName);
      if (found === undefined) throw new MyelinError('TOKEN_UNKNOWN', { token: idOrName.slice(0, 80) });
      return records.filter((record) => record !== found);
    });
    return info(found as unknown as TokenRecord);
  }

  /** Whose token this is, in a time that says nothing about it. */
  find(token: string): TokenInfo | undefined {
    this.refresh();
    const given = digest(token);
    let found: TokenRecord | undefined;
    for (const record of this.#records)
      if (timingSafeEqual(given, Buffer.from(record.sha256, 'hex'))) found = record;
    if (found === undefined) return undefined;
    this.#used.set(found.id, Math.floor(this.#unixS()));
    return info(found);
  }

  /** Whether a token that was right before still is. */
  holds(id: string): boolean {
    this.refresh();
    return this.#records.some((record) => record.id === id);
  }

  /** Writes when tokens were used last; called now and then, and at the end. */
  async flush(): Promise<void> {
    if (this.#used.size === 0) return;
    const used = new Map(this.#used);
    await this.#change((records) =>
      records.map((record) => {
        const lastUsedUnixS = used.get(record.id);
        return lastUsedUnixS === undefined ? record : { ...record, lastUsedUnixS };
      }),
    );
    for (const [id, at] of used) if (this.#used.get(id) === at) this.#used.delete(id);
  }

  /** Reads the file anew if it changed. @throws MyelinError CONFIG_INVALID, TOKENS_UNSAFE */
  refresh(): void {
    const seen = this.#state();
    if (seen === this.#seen) return;
    this.#records = seen === '' ? [] : this.#read();
    this.#seen = seen;
  }

  #state(): string {
    const status = statSync(this.#file, { throwIfNoEntry: false, bigint: true });
    return status === undefined ? '' : `${status.ino}:${status.mtimeNs}:${status.size}`;
  }

  #read(): readonly TokenRecord[] {
    const status = statSync(this.#file);
    const uid = process.getuid?.() ?? 0;
    if (status.uid !== uid || (status.mode & 0o022) !== 0)
      throw new MyelinError('TOKENS_UNSAFE', { file: this.#file });
    if ((status.mode & 0o044) !== 0) chmodSync(this.#file, 0o600);
    try {
      return fileSchema.parse(JSON.parse(readFileSync(this.#file, 'utf8'))).tokens;
    } catch (cause) {
      const detail = cause instanceof z.ZodError ? z.prettifyError(cause) : 'it is not JSON';
      throw new MyelinError('CONFIG_INVALID', { file: this.#file, detail }, { cause });
    }
  }

  async #change(edit: (records: readonly TokenRecord[]) => readonly TokenRecord[]): Promise<void> {
    using _lock = await this.#lock();
    this.refresh();
    const tokens = edit(this.#records);
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    const beside = `${this.#file}.${process.pid}.new`;
    const fd = openSync(beside, 'w', 0o600);
    try {
      writeSync(fd, `${JSON.stringify({ version: 1, tokens }, undefined, 2)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(beside, this.#file);
    this.refresh();
  }

  async #lock(): Promise<Disposable> {
    const name = `myelin-tokens:${digest(this.#file).toString('hex')}`;
    for (let tried = 0; tried < LOCK_TRIES; tried++) {
      const lock = ExclusiveName.take(name);
      if (lock !== undefined) return lock;
      await new Promise((done) => setTimeout(done, LOCK_PAUSE_MS));
    }
    throw new MyelinError('ADDRESS_IN_USE', { path: this.#file });
  }
}
