import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { listSupportedBackends } from 'onnxruntime-node';
import type { Surroundings } from './device.ts';

/** Libraries that the runtime's package leaves to its install script, which is not run here. */
const LIBRARIES = {
  cuda: ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'],
  tensorrt: [
    'libonnxruntime_providers_shared.so',
    'libonnxruntime_providers_cuda.so',
    'libonnxruntime_providers_tensorrt.so',
  ],
} as const;

/** What this machine and the model runtime on it offer. */
export function lookAround(runtime: { listSupportedBackends: typeof listSupportedBackends }): Surroundings {
  const platform = `${process.platform}/${process.arch}`;
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const folder = join(root, 'bin', 'napi-v6', platform);
  const absent = (names: readonly string[]) => names.filter((name) => !existsSync(join(folder, name)));
  const nvidia = ['/dev/nvidiactl', '/proc/driver/nvidia/version', '/dev/dxg'].some((path) =>
    existsSync(path),
  );
  return {
    platform,
    offered: runtime.listSupportedBackends().map(({ name }) => name),
    missing: { cuda: absent(LIBRARIES.cuda), tensorrt: absent(LIBRARIES.tensorrt) },
    nvidia,
    graphicsMiB: nvidia ? graphicsMiB() : 0,
    installCommand: `node ${join(root, 'script', 'install.js')} --onnxruntime-node-install=cuda12`,
  };
}

/** What the driver's own tool says, if it is there and answers. */
function graphicsMiB(): number {
  const query = ['--query-gpu=memory.total', '--format=csv,noheader,nounits'];
  const { stdout } = spawnSync('nvidia-smi', query, { encoding: 'utf8', timeout: 5000 });
  return Math.max(0, ...(stdout ?? '').split('\n').map(Number).filter(Number.isFinite));
}
