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
  STORAGE_IN_USE: {
    message: 'Another gateway uses the folder {path}',
    hint: 'Stop it, or give this one a folder of its own: --storage DIR',
    retryable: true,
  },
  LEASE_HELD: {
    message: 'The arm is commanded by {holder}',
    hint: 'Wait until it finishes, or stop that process; a lease lapses 1 s after its last heartbeat.',
    retryable: true,
  },
  LEASE_LOST: {
    message: 'The arm was taken from this process while it commanded it: {holder}',
    hint: 'Look at who operates it; the next command takes the lease again when it is free.',
    retryable: true,
  },
  ARM_REFUSED: {
    message: 'Project {project} may not drive the arm: {reason}',
    hint: 'One project at a time drives it: let that one go, or start it after the other.',
    retryable: false,
  },
  ARM_HOLDS: {
    message: 'The arm does not move: {reason}',
    hint: '{advice}',
    retryable: true,
  },
  ARM_STOPPED: {
    message: 'The arm was stopped: it is {state}',
    hint: 'Start its control process again: myelin control',
    retryable: false,
  },
  CAMERA_SILENT: {
    message: 'The camera "{name}" gave no new picture for {seconds} s',
    hint: 'Look whether its process runs: myelin camera',
    retryable: true,
  },
  MOVE_INTERRUPTED: {
    message: 'Another command took the place of this move',
    hint: 'A hold, or a newer move of this process, ends the one before it.',
    retryable: false,
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
    hint: 'Stop the program that uses it (myelin doctor --only ports --port {port} names it), or choose another port.',
    retryable: true,
  },
  ADDRESS_UNUSABLE: {
    message: '{host}:{port} cannot be listened at: {reason}',
    hint: '{advice}',
    retryable: false,
  },
  LISTEN_UNSAFE: {
    message: 'Listening at {host} would let others on the network use this server: {lacking}',
    hint: 'Give {missing}; or --insecure on a network you trust; or --host 127.0.0.1.',
    retryable: false,
  },
  TOKEN_REFUSED: {
    message: 'The token of {client} is {fault}',
    hint: 'Give the token the server asks for; those of a gateway are listed by: myelin token list',
    retryable: false,
  },
  POLICY_NOT_ALLOWED: {
    message: 'This server does not serve "{policy}"',
    hint: 'It serves: {served}. Start it with --allow PATH to let clients name checkpoints below that path.',
    retryable: false,
  },
  REQUEST_REPLACED: {
    message: 'A newer observation of the same client took the place of this one',
    hint: 'Nothing is wrong: only the newest observation is worth computing. Send fewer to see fewer of these.',
    retryable: false,
  },
  REQUEST_CANCELLED: {
    message: 'The request was cancelled: {reason}',
    hint: 'Nothing is wrong when the client left or asked for it.',
    retryable: false,
  },
  DEADLINE_EXCEEDED: {
    message: 'No answer within {deadlineMs} ms ({stage})',
    hint: 'The policy is slower than the deadline, or too many clients share it.',
    retryable: true,
  },
  SESSION_CLOSED: {
    message: 'The session of {client} is closed',
    hint: 'Connect again.',
    retryable: true,
  },
  SERVER_FULL: {
    message: 'The server has no room for another client: it serves {clients}',
    hint: 'Close a client, or wait until one that is gone has been forgotten.',
    retryable: true,
  },
  SUBTASKS_UNSUPPORTED: {
    message: 'The policy {policy} cannot write subtasks',
    hint: 'Load a checkpoint with a language head, or give the subtask yourself. Actions work without.',
    retryable: false,
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
  TOKENIZER_MISSING: {
    message: 'The checkpoint {folder} reads words with the tokenizer "{name}", which is not on this machine',
    hint: 'Put its tokenizer.json and tokenizer_config.json into {target}, for example: hf download {name} tokenizer.json tokenizer_config.json --local-dir {target}',
    retryable: false,
  },
  PICKLE_FORBIDDEN: {
    message: 'The pickle in {source} asks for {name}, which is not allowed here ({opcode} at byte {offset})',
    hint: 'Nothing was run. It is not the plain data that was expected; do not load it elsewhere unless you trust it.',
    retryable: false,
  },
  PICKLE_INVALID: {
    message: 'The pickle in {source} cannot be read: {detail} ({opcode} at byte {offset})',
    hint: 'It may be truncated, damaged, or something other than plain data.',
    retryable: false,
  },
  MESSAGE_INVALID: {
    message: 'The message cannot be read: {detail}',
    hint: 'Send what docs/protocols describes for this port; a message that is cut short or of another protocol reads like this.',
    retryable: false,
  },
  PICTURE_UNDECODABLE: {
    message: 'The picture "{camera}" cannot be decoded: {reason}',
    hint: 'Send JPEG, PNG, or raw RGB bytes with their width and height. Nothing was inferred from a guess.',
    retryable: false,
  },
  SERVER_UNREACHABLE: {
    message: 'The policy server {url} cannot be reached: {reason}',
    hint: 'Check that it runs, its address and port, and that no firewall is in between.',
    retryable: true,
  },
  SERVER_REFUSED: {
    message: 'The policy server {url} answered: {reason}',
    hint: '{advice}',
    retryable: true,
  },
  POOL_UNREACHABLE: {
    message: 'The pool at {url} cannot be reached: {reason}',
    hint: 'Check that a NATS server runs there, its address and port, and that no firewall is in between.',
    retryable: true,
  },
  POOL_REFUSED: {
    message: 'The pool at {url} refuses this program: {reason}',
    hint: 'Give the user and password, the token or the credentials file that its NATS server knows.',
    retryable: false,
  },
  POOL_NO_WORKER: {
    message: 'No worker of the pool "{pool}" serves {model}',
    hint: 'Workers there: {workers}; they serve: {served}. Start one: myelin policy-server -c CHECKPOINT --pool nats://HOST',
    retryable: true,
  },
  POOL_WORKER_BUSY: {
    message: 'The worker {worker} takes no more requests: {reason}',
    hint: 'Clients look for another one by themselves; start more workers if there is none.',
    retryable: true,
  },
  UPSTREAMS_DOWN: {
    message: 'None of the {count} upstream servers can answer: {reasons}',
    hint: 'Each is tried again by itself; look into their logs.',
    retryable: true,
  },
  HUB_REFUSED: {
    message: 'The Hub does not give {what}: {reason}',
    hint: '{advice}',
    retryable: false,
  },
  HUB_UNREACHABLE: {
    message: '{what} is not in the cache, and the Hub cannot be asked: {reason}',
    hint: '{advice}',
    retryable: true,
  },
  DOWNLOAD_FAILED: {
    message: '{file} could not be downloaded: {reason}',
    hint: '{advice}',
    retryable: true,
  },
  OBSERVATION_MISMATCH: {
    message: 'The policy needs {needed}, but the observation holds {found}',
    hint: '{advice}',
    retryable: false,
  },
  POLICY_OUTPUT_INVALID: {
    message: 'The policy answered {detail}',
    hint: 'That was dropped. Check the checkpoint and its normalisation statistics.',
    retryable: true,
  },
  DEVICE_UNAVAILABLE: {
    message: 'Models cannot run on {device} here: {reason}',
    hint: 'Leave --device out to use what there is. {advice}',
    retryable: false,
  },
  TOKEN_MISSING: {
    message: 'This needs a token with the right "{right}"',
    hint: 'Open the address printed at the first start, or make a token: myelin token create NAME --right {right}',
    retryable: false,
  },
  TOKEN_UNKNOWN: {
    message: 'There is no token "{token}"',
    hint: 'See what there is: myelin token list',
    retryable: false,
  },
  TOKENS_UNSAFE: {
    message: '{file} can be written by others, so its tokens prove nothing',
    hint: 'See who changed it, then: chmod 600 {file}; or remove it to start anew.',
    retryable: false,
  },
  ORIGIN_REFUSED: {
    message: 'Web pages of {origin} may not use this server',
    hint: 'Open its own page, or start it with --allow-origin {origin}',
    retryable: false,
  },
  RIGHT_MISSING: {
    message: 'This needs the right "{right}", the token has "{has}"',
    hint: 'Ask the owner of this machine for another token: myelin token create NAME --right {right}',
    retryable: false,
  },
  TOO_MANY_ATTEMPTS: {
    message: 'Too many refused tokens from {client}',
    hint: 'Wait {seconds} s, then give the right one.',
    retryable: true,
  },
  OPERATOR_BUSY: {
    message: '{holder} operates this robot',
    hint: 'Watching needs no lease. Wait until it is given back or lapses; "admin" may take it over.',
    retryable: true,
  },
  ARM_ABSENT: {
    message: '{detail}',
    hint: 'Start its control process: myelin control, or myelin up for a simulated arm.',
    retryable: true,
  },
  REQUEST_INVALID: {
    message: 'The request is not valid: {detail}',
    hint: '{advice}',
    retryable: false,
  },
  MESSAGE_TOO_LARGE: {
    message: 'The message has {bytes} bytes, the most is {most}',
    hint: 'Upload large projects with: PUT /api/projects/NAME (or myelin project push)',
    retryable: false,
  },
  WORKER_UNAVAILABLE: {
    message: 'The worker is {state}',
    hint: 'It starts again by itself; try again in a second. Its log says why it ended.',
    retryable: true,
  },
  ARCHIVE_REFUSED: {
    message: 'The archive is refused: {reason}',
    hint: 'Make it again from the project folder: zip -r project.zip . (or use myelin project push). {advice}',
    retryable: false,
  },
  PROJECT_UNKNOWN: {
    message: 'There is no project "{project}"',
    hint: 'See what there is: myelin project list',
    retryable: false,
  },
  VERSION_UNKNOWN: {
    message: 'The project "{project}" has no version "{version}"',
    hint: 'See its versions: myelin project list {project}',
    retryable: false,
  },
  PROJECT_INVALID: {
    message: 'The project "{project}" cannot be used: {reason}',
    hint: '{advice}',
    retryable: false,
  },
  PROJECT_IN_USE: {
    message: 'The version "{version}" of "{project}" is in use',
    hint: 'Switch to another version first: myelin project rollback {project}',
    retryable: false,
  },
  PROJECT_LOAD_FAILED: {
    message: 'The project "{project}" did not load: {reason}',
    hint: 'Correct the project and upload it again, or go back: myelin project rollback {project}',
    retryable: false,
  },
  PROJECT_CRASHED: {
    message: 'The project ended during the call: {reason}',
    hint: 'It is being loaded again. Nothing else was harmed; look at its log: myelin project logs',
    retryable: true,
  },
  CALL_UNKNOWN: {
    message: 'The project "{project}" has no {what}',
    hint: 'It has: {known}',
    retryable: false,
  },
  CALL_FAILED: {
    message: '{type}: {detail}',
    hint: 'The project raised this; its traceback is in the data of this answer and in the log.',
    retryable: false,
  },
  CALL_TIMEOUT: {
    message: '{call} took longer than {seconds} s',
    hint: 'Do long work in a background thread and push its result, or raise worker.max_execution_time.',
    retryable: false,
  },
  QUEUE_FULL: {
    message: '{waiting} calls wait already',
    hint: 'Wait for answers before sending more.',
    retryable: true,
  },
  SANDBOX_UNAVAILABLE: {
    message: 'The sandbox is required, but {layer} is missing: {reason}',
    hint: '{advice}',
    retryable: false,
  },
  GATEWAY_UNREACHABLE: {
    message: 'The gateway {url} cannot be reached: {reason}',
    hint: 'Check that it runs, its address and port, and that no firewall is in between.',
    retryable: true,
  },
  NOT_CONNECTED: {
    message: 'There is no connection to the gateway ({state})',
    hint: 'Nothing was sent. It connects again by itself; check that the gateway runs, and its address.',
    retryable: true,
  },
  CONNECTION_LOST: {
    message: 'The connection broke before "{request}" was answered',
    hint: 'It may have been carried out: look at the state of the robot before you repeat it.',
    retryable: false,
  },
  ANSWER_TIMEOUT: {
    message: '"{request}" was not answered within {seconds} s',
    hint: 'It may still be carried out: look at the state of the robot before you repeat it.',
    retryable: false,
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
