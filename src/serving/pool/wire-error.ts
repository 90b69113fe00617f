import { z } from 'zod';
import { ERRORS, type ErrorCode, type ErrorParameters, MyelinError } from '../../core/errors.ts';
import { type WireMap, wireMap } from '../openpi/wire-value.ts';

const CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

export const wireErrorSchema = z.object({
  code: z.string().max(64),
  message: z.string().max(2000),
  parameters: z.record(z.string().max(40), z.union([z.string().max(2000), z.number(), z.boolean()])),
});

/** A failure as it travels. What went wrong inside stays inside: its words may hold anything. */
export function writeError(error: MyelinError, worker: string): WireMap {
  const known =
    error.code === 'INTERNAL'
      ? new MyelinError('SERVER_REFUSED', {
          url: worker,
          reason: 'an unexpected failure',
          advice: 'See the log of that worker.',
        })
      : error;
  const parameters = Object.entries(known.parameters).map(
    ([name, value]): [string, string | number | boolean] => [name, travelling(value)],
  );
  return wireMap({
    code: known.code,
    message: known.message.slice(0, 2000),
    parameters: new Map(parameters),
  });
}

/** The failure a worker reported. One that this version does not know keeps its words. */
export function readError(wire: z.infer<typeof wireErrorSchema>, worker: string): MyelinError {
  const code = CODES.find((each) => each === wire.code);
  if (code !== undefined) return new MyelinError(code, wire.parameters satisfies ErrorParameters);
  const advice = 'It runs another version.';
  return new MyelinError('SERVER_REFUSED', { url: worker, reason: wire.message, advice });
}

const travelling = (value: ErrorParameters[string]) =>
  typeof value === 'string' ? value.slice(0, 2000) : typeof value === 'bigint' ? String(value) : value;
