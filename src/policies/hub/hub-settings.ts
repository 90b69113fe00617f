import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';

/** Where the Hub is and where its files are kept, as Hugging Face's own tools take it from the environment. */
export interface HubSettings {
  /** Without a slash at its end. Default https://huggingface.co, or HF_ENDPOINT. */
  readonly endpoint: string;
  /** Default ~/.cache/huggingface/hub, or HF_HUB_CACHE, or below HF_HOME. */
  readonly cache: string;
  /** Never printed. From HF_TOKEN, or the file that `hf auth login` writes. */
  readonly token?: string;
  /** HF_HUB_OFFLINE: the network is not used. */
  readonly offline: boolean;
}

const TRUE = ['1', 'ON', 'YES', 'TRUE'];

/** @throws MyelinError INVALID_ARGUMENT for an endpoint or token that cannot be used */
export async function hubSettings(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<HubSettings> {
  const set = (name: string) => environment[name]?.trim() || undefined;
  const flag = (name: string) => TRUE.includes(set(name)?.toUpperCase() ?? '');
  const home = set('HF_HOME') ?? join(set('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface');
  const kept = await readFile(set('HF_TOKEN_PATH') ?? join(home, 'token'), 'utf8').catch(() => '');
  const token = set('HF_TOKEN') ?? set('HUGGING_FACE_HUB_TOKEN') ?? (kept.trim() || undefined);
  if (token !== undefined && !/^[\x21-\x7e]{1,1024}$/.test(token)) {
    const allowed = 'one word of printable ASCII';
    throw new MyelinError('INVALID_ARGUMENT', { name: 'HF_TOKEN', value: '(not shown)', allowed });
  }
  return {
    endpoint: checkedEndpoint(set('HF_ENDPOINT') ?? 'https://huggingface.co'),
    cache: set('HF_HUB_CACHE') ?? set('HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub'),
    offline: flag('HF_HUB_OFFLINE') || flag('TRANSFORMERS_OFFLINE'),
    ...(token === undefined ? {} : { token }),
  };
}

function checkedEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '') {
    const allowed = 'a URL such as https://huggingface.co';
    throw new MyelinError('INVALID_ARGUMENT', { name: 'HF_ENDPOINT', value: '(not shown)', allowed });
  }
  return url.href.replace(/\/+$/, '');
}
