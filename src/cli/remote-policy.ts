import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { MyelinError } from '../core/errors.ts';
import type { Policy } from '../policies/policy.ts';
import { readNormStats } from '../serving/openpi/norm-stats.ts';
import { openOpenpiPolicy } from '../serving/openpi/open-openpi-policy.ts';
import { openPi05Policy } from '../serving/pi05/pi05-policy.ts';
import { withCameraNames } from '../serving/pool/upstream/camera-names.ts';
import type { UpstreamServer } from '../serving/pool/upstream/upstream.ts';
import {
  hasScheme,
  OPENPI_SYNTAX,
  PI05_SCHEMES,
  PI05_SYNTAX,
  POOL_PREFIX,
  POOL_SYNTAX,
  SCHEMES,
} from './remote-policy-address.ts';

const count = z.coerce.number().int().min(1).max(100_000).optional();
const commonSchema = z.strictObject({
  rows: count,
  actions: count,
  steps: count,
  period: z.coerce.number().positive().max(60).optional(),
  state: count,
  camera: z.array(z.string().min(1)).optional(),
  ca: z.string().min(1).optional(),
});
const querySchema = commonSchema.extend({
  robot: z.string().optional(),
  norm: z.string().optional(),
  mode: z.enum(['quantiles', 'z-score']).optional(),
});
const pi05QuerySchema = commonSchema.extend({
  images: z.enum(['nested', 'raw', 'jpeg', 'msgpack', 'msgpack-jpeg']).optional(),
});

const poolQuerySchema = z.strictObject({
  pool: z.string().optional(),
  model: z.string().min(1).max(200).optional(),
  hedge: z.coerce.number().min(0).max(60_000).optional(),
  jpeg: z.coerce.number().int().min(1).max(100).optional(),
  creds: z.string().optional(),
  ca: z.string().optional(),
});

/** What must not stand in an address. */
export interface Credentials {
  /** What the server asks for. Default: the environment's MYELIN_TOKEN. */
  readonly token?: string | undefined;
  /** File of the authority that signed the server's certificate, PEM; the address may name it too. */
  readonly caFile?: string | undefined;
}

/**
 * Opens a policy on an openpi, SGLang, vLLM-Omni, pi0.5 or Myelin server, or in a pool.
 * @param onEvent told what people should know
 * @throws MyelinError INVALID_ARGUMENT, FILE_NOT_FOUND, and what connecting throws
 */
export async function openRemotePolicy(
  address: string,
  onEvent?: (text: string) => void,
  credentials: Credentials = {},
): Promise<Policy> {
  if (address.startsWith(POOL_PREFIX)) return openPool(address.slice(POOL_PREFIX.length), onEvent);
  if (hasScheme(address, PI05_SCHEMES)) return openPi05(address, onEvent, credentials);
  const { cameraNames = {}, ...server } = await openpiServer(address, credentials);
  return withCameraNames(await openOpenpiPolicy(server), cameraNames);
}

async function openPi05(
  address: string,
  onEvent: ((text: string) => void) | undefined,
  credentials: Credentials,
): Promise<Policy> {
  const { url, cameraNames, ...query } = readAddress(address, pi05QuerySchema, PI05_SCHEMES, PI05_SYNTAX);
  const policy = await openPi05Policy({
    url,
    ...(await secrets(credentials, query.ca)),
    images: query.images,
    cameras: query.camera,
    chunkRows: query.rows,
    actionLength: query.actions,
    actionSteps: query.steps,
    stepPeriodS: query.period,
    stateLength: query.state,
    onEvent,
  });
  return withCameraNames(policy, cameraNames);
}

async function secrets({ token = process.env.MYELIN_TOKEN, caFile }: Credentials, ca = caFile) {
  return { token: token === '' ? undefined : token, ca: ca === undefined ? undefined : await readCa(ca) };
}

const readCa = (file: string): Promise<Buffer> =>
  readFile(file).catch((cause: unknown) => {
    throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
  });

/** The parts of an address: where the server is, how cameras are called there and here, and the rest checked. */
function readAddress<Query>(
  address: string,
  schema: z.ZodType<Query>,
  schemes: ReadonlyMap<string, string>,
  syntax: string,
): Query & { readonly url: string; readonly cameraNames: Readonly<Record<string, string>> } {
  const url = new URL(address);
  const shown = address.replace(/\/\/[^/@]*@/, '//');
  if (url.username !== '' || url.password !== '') {
    const allowed = 'without one: addresses are shown; give it as the environment variable MYELIN_TOKEN';
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'the address',
      value: `${shown} with a password`,
      allowed,
    });
  }
  const cameras = url.searchParams.getAll('camera').map((text) => text.split(':'));
  const plain = Object.fromEntries([...url.searchParams].filter(([key]) => key !== 'camera'));
  const keys = cameras.map(([key = '']) => key);
  const parsed = schema.safeParse({ ...plain, ...(keys.length > 0 ? { camera: keys } : {}) });
  if (!parsed.success) throw invalid(shown, parsed.error, syntax);
  return {
    ...parsed.data,
    url: `${schemes.get(url.protocol)}//${url.host}${url.pathname}`,
    cameraNames: Object.fromEntries(cameras.filter((pair) => pair.length === 2)),
  };
}

/**
 * What an address says of an openpi server. The server's key is the environment's MYELIN_TOKEN: addresses end up in
 * logs.
 * @throws MyelinError INVALID_ARGUMENT
 */
export async function openpiServer(address: string, credentials: Credentials = {}): Promise<UpstreamServer> {
  const { url, cameraNames, ...query } = readAddress(address, querySchema, SCHEMES, OPENPI_SYNTAX);
  const { token, ca } = await secrets(credentials, query.ca);
  const { norm, mode } = query;
  return {
    url,
    apiKey: token,
    ca,
    robot: query.robot,
    cameras: query.camera,
    cameraNames,
    chunkRows: query.rows,
    actionLength: query.actions,
    actionSteps: query.steps,
    stepPeriodS: query.period,
    stateLength: query.state,
    normStats: norm === undefined || norm === 'none' ? norm : await readNormStats(norm, mode),
  };
}

async function openPool(address: string, onEvent?: (text: string) => void): Promise<Policy> {
  const [url = '', query = ''] = address.split('?');
  const parsed = poolQuerySchema.safeParse(Object.fromEntries(new URLSearchParams(query)));
  // The address itself may hold a password.
  if (!parsed.success) throw invalid('pool:...', parsed.error, POOL_SYNTAX);
  const { pool, model, hedge, jpeg, creds, ca } = parsed.data;
  const { openPoolPolicy } = await import('../serving/pool/pool-policy.ts');
  return openPoolPolicy({
    url,
    pool,
    model,
    hedgeMs: hedge,
    jpegQuality: jpeg,
    credentialsFile: creds,
    caFile: ca,
    onEvent,
  });
}

function invalid(shown: string, { issues: [issue] }: z.ZodError, allowed: string): MyelinError {
  const value = `${shown} (${issue?.path.join('.')}: ${issue?.message})`;
  return new MyelinError('INVALID_ARGUMENT', { name: '--policy', value, allowed });
}
