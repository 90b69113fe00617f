import { MyelinError } from '../../core/errors.ts';
import type { LeRobotCodec } from './messages.ts';
import { pickleCodec } from './pickle-codec.ts';
import { safetensorsCodec } from './safetensors-codec.ts';

/**
 * The codec a message is written in, by its first byte: pickles begin with PROTO, the announced safetensors form
 * (huggingface/lerobot pull request 3048) with the upper byte of a length that is never that large.
 * @throws MyelinError MESSAGE_INVALID for an empty message
 */
export function codecOf(bytes: Uint8Array): LeRobotCodec {
  const [first] = bytes;
  if (first === undefined) throw new MyelinError('MESSAGE_INVALID', { detail: 'it is empty' });
  return first === 0 ? safetensorsCodec : pickleCodec;
}

export const CODECS: Readonly<Record<LeRobotCodec['name'], LeRobotCodec>> = {
  pickle: pickleCodec,
  safetensors: safetensorsCodec,
};
