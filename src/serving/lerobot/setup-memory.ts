import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { policyConfig, policyConfigAttributes } from './fields.ts';
import type { RemotePolicyConfig, TimedObservation } from './messages.ts';

const MAX_ENTRIES = 32;

const fileSchema = z
  .array(z.object({ address: z.string().max(100), config: z.record(z.string(), z.unknown()) }))
  .max(MAX_ENTRIES);

interface Entry {
  readonly address: string;
  readonly config: RemotePolicyConfig;
}

/**
 * What clients asked for, newest first. Stock clients say it once: after the server or the network was gone they go
 * on as if nothing had happened, and are recognised here by their address and the keys of their observations. With a
 * file, a server that was restarted remembers too.
 */
export class SetupMemory {
  readonly #file: string | undefined;
  #entries: readonly Entry[] = [];

  /** @param file kept up to date when given; one that is missing or damaged is an empty memory */
  constructor(file?: string) {
    this.#file = file;
    if (file !== undefined) this.#entries = readEntries(file);
  }

  /** @param address of the client, without its port, which changes with every connection */
  remember(address: string, config: RemotePolicyConfig): void {
    const same = (entry: Entry) => entry.address === address && keysOf(entry.config) === keysOf(config);
    this.#entries = [{ address, config }, ...this.#entries.filter((entry) => !same(entry))].slice(
      0,
      MAX_ENTRIES,
    );
    this.#write();
  }

  /** The newest one from that address whose every joint and camera is in the observation. */
  recall(address: string, { values }: TimedObservation): RemotePolicyConfig | undefined {
    return this.#entries.find((entry) => entry.address === address && fits(entry.config, values))?.config;
  }

  #write(): void {
    if (this.#file === undefined) return;
    const entries = this.#entries.map(({ address, config }) => ({
      address,
      config: policyConfigAttributes(config),
    }));
    try {
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
      writeFileSync(`${this.#file}.new`, JSON.stringify(entries), { mode: 0o600 });
      renameSync(`${this.#file}.new`, this.#file);
    } catch {
      // Serving goes on without; after a restart stock clients then have to be restarted too.
    }
  }
}

const keysOf = ({ features }: RemotePolicyConfig): string =>
  [...features].map(([key, { names }]) => `${key}:${names?.join()}`).join('|');

function fits({ features }: RemotePolicyConfig, values: ReadonlyMap<string, unknown>): boolean {
  return [...features].every(([feature, { names }]) =>
    feature.startsWith('observation.images.')
      ? values.has(feature.slice('observation.images.'.length))
      : (names ?? []).every((name) => values.has(name)),
  );
}

function readEntries(file: string): Entry[] {
  try {
    const entries = fileSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    return entries.map(({ address, config }) => ({ address, config: policyConfig(config) }));
  } catch {
    return [];
  }
}
