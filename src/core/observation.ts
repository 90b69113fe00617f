/** What a policy may see at one moment. */

/** One camera picture, RGB, 8 bits a channel, rows from the top, `height * width * 3` bytes. */
export interface CameraFrame {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
  /** Monotonic time of capture, ns. */
  readonly capturedNs: number;
  /** Counts up by one a picture. */
  readonly sequence: number;
}

export interface Observation {
  /** Policy step this observation belongs to, counted from the start of the episode. */
  readonly timestep: number;
  /** Monotonic time at which the state was read, ns. */
  readonly timestampNs: number;
  /** Measured pose: arm joints rad, then gripper m; `dof` long. */
  readonly state: Float64Array;
  readonly velocity: Float64Array;
  /** Keyed by camera name. */
  readonly cameras: ReadonlyMap<string, CameraFrame>;
  /** What to do, in words. Empty when the policy takes no language. */
  readonly task: string;
  /** Object poses, from a world that offers them: name to [x, y, z, qw, qx, qy, qz] in the arm's base frame, m. */
  readonly objects?: ReadonlyMap<string, Float64Array>;
}
