import { type Check, ok, problem } from './check.ts';

const LEAST = [20, 19] as const;

/** Whether this Node is new enough. */
export const nodeVersionCheck = (version = process.versions.node): Check => ({
  name: 'node',
  title: 'Node.js',
  look: async () => {
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const enough = major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]);
    const platform = `${process.platform} ${process.arch}`;
    if (!enough)
      return [
        problem(`${version} is too old`, `Install Node ${LEAST.join('.')} or newer: https://nodejs.org`),
      ];
    if (process.platform !== 'linux')
      return [problem(`${version} on ${platform}`, 'Arms and shared memory need Linux (x64 or arm64).')];
    return [ok(`${version} on ${platform}`, { version, platform })];
  },
});
