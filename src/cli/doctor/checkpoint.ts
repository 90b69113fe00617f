import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { distEntry } from '../../platform/entry.ts';
import { parseHubReference } from '../../policies/hub/hub-reference.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';

const DEADLINE_MS = 12_000;
const KILL_BEFORE_MS = 2_000;
const SHOWN = 4;

const report = z.looseObject({
  type: z.string(),
  weights: z.number(),
  missing: z.array(z.looseObject({ tensor: z.string() })),
  misshapen: z.array(z.looseObject({ tensor: z.string() })),
});

/**
 * Whether a checkpoint can be read and is whole. A process of its own looks, as `myelin checkpoint inspect` does: one
 * on a network drive that hangs hangs that process only. Nothing is downloaded.
 */
export const checkpointCheck = (pathOrReference: string): Check => ({
  name: 'checkpoint',
  title: 'Checkpoint',
  deadlineMs: DEADLINE_MS,
  look: async (signal) => {
    const found = await stat(pathOrReference).catch(
      (error: NodeJS.ErrnoException) => error.code ?? error.message,
    );
    if (typeof found === 'string') return [absent(pathOrReference, found)];
    if (found.isFile()) return [ok(`${pathOrReference}, ${(found.size / 2 ** 20).toFixed(0)} MiB`)];
    return [await inspect(pathOrReference, signal)];
  },
});

function absent(path: string, code: string): Finding {
  if (code !== 'ENOENT')
    return problem(`${path} cannot be read: ${code}`, `ls -ld ${path} shows whose it is.`);
  if (parseHubReference(path) !== undefined)
    return warning(
      `${path} is not a path here`,
      'It will be looked up on the Hub, and downloaded if needed.',
    );
  return problem(`${path} does not exist`, 'Give the folder that holds config.json and model.safetensors.');
}

function inspect(path: string, signal: AbortSignal): Promise<Finding> {
  return new Promise((resolve) => {
    const args = [distEntry('cli/main.js'), 'checkpoint', 'inspect', '--json', path];
    const limits = {
      signal,
      timeout: DEADLINE_MS - KILL_BEFORE_MS,
      killSignal: 'SIGKILL',
      maxBuffer: 64 * 2 ** 20,
    } as const;
    execFile(process.execPath, args, limits, (error, stdout, stderr) => {
      const parsed = report.safeParse(readJson(stdout));
      if (parsed.success) return resolve(verdict(path, parsed.data));
      if (error?.killed)
        return resolve(problem(`${path} cannot be read in time`, 'Is it on a drive that hangs?'));
      const [message = 'it cannot be read', hint = ''] = stderr.trim().split('\n');
      resolve(problem(message.replace(/^myelin: /, ''), hint.replace(/^\s*hint: /, '')));
    });
  });
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function verdict(path: string, { type, weights, missing, misshapen }: z.infer<typeof report>): Finding {
  const faulty = [...missing, ...misshapen].map(({ tensor }) => tensor);
  if (faulty.length === 0)
    return ok(`${type}, ${(weights / 1e6).toFixed(1)} M weights: ${path}`, { type, weights });
  const shown = faulty.slice(0, SHOWN).join(', ');
  return problem(
    `${path} (${type}) lacks ${missing.length} tensors, ${misshapen.length} have another shape: ${shown}${faulty.length > SHOWN ? ', ...' : ''}`,
    `myelin checkpoint inspect ${path} lists them; the weights do not belong to this config.json.`,
  );
}
