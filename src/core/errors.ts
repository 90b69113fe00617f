/**
 * The one error table. Every failure a user can meet has a row here: what happened, what to do about it,
 * and whether trying again can help. `{name}` in a message or hint is filled from the error's parameters.
 */
export const ERRORS = {
  INTERNAL: {
    message: 'Unexpected failure: {detail}',
    hint: 'This is a defect in Myelin. Please report it with the log above.',
    retryable: false,
  },
  INVALID_ARGUMENT: {
    message: '{name} is {value}, but must be {allowed}',
    hint: 'Run the command with --help to see its options.',
    retryable: false,
  },
  CONFIG_INVALID: {
    message: 'The configuration {file} is not valid: {detail}',
    hint: 'Correct the key named above, or leave it out to use its default.',
    retryable: false,
  },
  FILE_NOT_FOUND: {
    message: '{file} does not exist',
    hint: 'Check the path; relative paths start at the folder the command runs in.',
    retryable: false,
  },
  FILE_UNWRITABLE: {
    message: '{file} cannot be written ({bytes} bytes): {reason}',
    hint: '{advice}',
    retryable: false,
  },
  TRACE_INVALID: {
    message: '{file} is not a trace: {detail}',
    hint: 'Record one with: myelin control --dry-run --trace FILE',
    retryable: false,
  },
  PLATFORM_UNSUPPORTED: {
    message: '{feature} needs Linux, this is {platform}',
    hint: 'Run Myelin on Linux (x64 or arm64, glibc or musl).',
    retryable: false,
  },
  SYSTEM_CALL: {
    message: '{call} failed: {reason}',
    hint: '{advice}',
    retryable: false,
  },
  SEGMENT_MISSING: {
    message: 'There is no shared memory segment "{name}"',
    hint: 'Start its owner first, for example: myelin control --dry-run',
    retryable: true,
  },
  SEGMENT_IN_USE: {
    message: 'The segment "{name}" belongs to process {pid}, which is alive',
    hint: 'Stop that process, or choose another name with --segment.',
    retryable: true,
  },
  SEGMENT_VERSION: {
    message: 'The segment "{name}" has layout {found}, this program speaks layout {expected}',
    hint: 'Stop the program that made it, then: myelin segment unlink {name}',
    retryable: false,
  },
  SEGMENT_NO_SPACE: {
    message: 'Shared memory has no room for {bytes} bytes ({reason})',
    hint: 'Free space in /dev/shm (df -h /dev/shm), or make it larger: mount -o remount,size=1G /dev/shm',
    retryable: true,
  },
  SEGMENT_EXISTS: {
    message: 'There is a shared memory segment "{name}" already',
    hint: 'Choose another name, or remove it: myelin segment unlink {name}',
    retryable: true,
  },
  SEGMENT_FORBIDDEN: {
    message: 'The shared memory segment "{name}" cannot be {action}: {reason}',
    hint: '{advice}',
    retryable: false,
  },
  SEGMENT_FOREIGN: {
    message: '/dev/shm/{name} is not {expected}',
    hint: 'Another program made it. Choose another name with --segment, or remove the file yourself.',
    retryable: false,
  },
  NOT_BUILT: {
    message: '{file} is missing: the program has not been built',
    hint: 'Build it: npm run build',
    retryable: false,
  },
  RUNTIME_DIR_UNSAFE: {
    message: '{folder} must be a folder that belongs to user {uid} alone',
    hint: 'Remove it, or: chmod 700 {folder} && chown {uid} {folder}',
    retryable: false,
  },
  ADDRESS_IN_USE: {
    message: 'Another process listens at {path}',
    hint: 'Stop it, or choose another name.',
    retryable: true,
  },
  LEASE_HELD: {
    message: 'The arm is commanded by {holder}',
    hint: 'Wait until it finishes, or stop that process; a lease lapses 1 s after its last heartbeat.',
    retryable: true,
  },
  BUS_UNAVAILABLE: {
    message: 'The bus {interface} cannot be opened: {reason}',
    hint: '{advice}',
    retryable: true,
  },
  URDF_INVALID: {
    message: 'The arm description {file} cannot be used: {detail}',
    hint: 'Correct the description, or leave out --urdf to use the one that ships with the model.',
    retryable: false,
  },
  BUS_IN_USE: {
    message: 'Another control process runs the arm on {interface}',
    hint: 'Only one may: stop it first (it shows in: ps -C node -f).',
    retryable: true,
  },
  BUS_TOO_SLOW: {
    message: '{interface} cannot carry {hz} Hz: it would be {percent} % busy',
    hint: 'Use --control-freq {most} or less.',
    retryable: false,
  },
  CAMERA_UNAVAILABLE: {
    message: 'The camera {camera} cannot be used: {reason}',
    hint: '{advice}',
    retryable: true,
  },
  PICTURE_INVALID: {
    message: '{file} is not a picture this can read: {reason}',
    hint: 'Give PNG files (8 bits a channel, not interlaced) or PPM files (P6), all of one size.',
    retryable: false,
  },
  MOTOR_SILENT: {
    message: 'No answer from {motors} on {interface}',
    hint: 'Check power, wiring and termination, and that --model names the arm that is connected.',
    retryable: true,
  },
  MOTOR_FAULT: {
    message: 'Motor {motor} reports {fault}',
    hint: '{advice}',
    retryable: false,
  },
  WORLD_MISSING: {
    message: 'There is no simulated world named "{name}"',
    hint: 'Start one with: myelin world --name {name}',
    retryable: true,
  },
  WORLD_REFUSED: {
    message: 'The simulated world refused: {detail}',
    hint: '{advice}',
    retryable: false,
  },
  PORT_IN_USE: {
    message: 'Port {port} on {host} is in use',
    hint: 'Stop the program that uses it, or choose another one with --port.',
    retryable: true,
  },
  CHECKPOINT_INVALID: {
    message: 'The checkpoint file {file} is not valid: {detail}',
    hint: 'It may be truncated or changed; copy or download it again and compare its checksum.',
    retryable: false,
  },
  CHECKPOINT_UNSUPPORTED: {
    message: '{file} asks for {feature}, which this version cannot run',
    hint: '{advice}',
    retryable: false,
  },
  TENSOR_INVALID: {
    message: 'Tensor "{tensor}" in {file}: {detail}',
    hint: 'The weights do not belong to this config.json, or the file is damaged.',
    retryable: false,
  },
  OBSERVATION_MISMATCH: {
    message: 'The policy needs {needed}, but the observation holds {found}',
    hint: '{advice}',
    retryable: false,
  },
  POLICY_OUTPUT_INVALID: {
    message: 'The policy answered {detail}',
    hint: 'Its actions were dropped. Check the checkpoint and its normalisation statistics.',
    retryable: true,
  },
  MODEL_FAILED: {
    message: 'The model could not {action}: {reason}',
    hint: 'If it worked before, try again; if memory is short, close other programs.',
    retryable: true,
  },
} as const;

export type ErrorCode = keyof typeof ERRORS;
export type ErrorParameters = Readonly<Record<string, string | number | bigint | boolean>>;

const fill = (template: string, parameters: ErrorParameters): string =>
  template.replace(/\{(\w+)\}/g, (whole, name: string) => String(parameters[name] ?? whole));

/** A failure with a row in {@link ERRORS}. `message` is one sentence; `hint` says what to do next. */
export class MyelinError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable: boolean;
  readonly parameters: ErrorParameters;

  constructor(code: ErrorCode, parameters: ErrorParameters = {}, options: { cause?: unknown } = {}) {
    super(fill(ERRORS[code].message, parameters), options);
    this.name = 'MyelinError';
    this.code = code;
    this.hint = fill(ERRORS[code].hint, parameters);
    this.retryable = ERRORS[code].retryable;
    this.parameters = parameters;
  }
}

/** The single funnel from anything thrown to a {@link MyelinError}; the original stays as `cause`. */
export function toMyelinError(thrown: unknown): MyelinError {
  if (thrown instanceof MyelinError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new MyelinError('INTERNAL', { detail }, { cause: thrown });
}
