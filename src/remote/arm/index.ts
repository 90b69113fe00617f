/** `myelin/arm`: drives an arm from Node, in a project or on its own. */
export { MyelinError } from '../../core/errors.ts';
export type { CameraFrame } from '../../core/observation.ts';
export { Arm, type ConnectOptions, connect } from './arm.ts';
export type { ArmLimits, ArmState } from './arm-state.ts';
export type { ArmCamera } from './camera.ts';
export { cameras } from './cameras.ts';
