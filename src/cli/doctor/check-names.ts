/** All checks, in the order in which they are made. */
export const CHECK_NAMES = [
  'node',
  'machine',
  'gpu',
  'realtime',
  'cameras',
  'arm',
  'control',
  'ports',
  'firewall',
  'checkpoint',
  'server',
] as const;
export type CheckName = (typeof CHECK_NAMES)[number];
