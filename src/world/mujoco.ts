import loadMujoco, { type MainModule, type MjData, type MjModel } from '@mujoco/mujoco';

export type { MainModule, MjData, MjModel };

let loading: Promise<MainModule> | undefined;

/** The physics engine, loaded once a process (about half a second). */
export const mujoco = (): Promise<MainModule> => {
  loading ??= loadMujoco();
  return loading;
};
