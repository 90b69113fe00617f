import type { ControlConfig } from './control-config.ts';

/** The settings of {@link ControlConfig} that the controller itself heeds. */
export type ControllerConfig = Pick<
  ControlConfig,
  | 'controlFrequencyHz'
  | 'commandTimeoutS'
  | 'watchdogTimeoutS'
  | 'feedbackTimeoutS'
  | 'policyFrequencyHz'
  | 'tablePlaneZ'
>;
