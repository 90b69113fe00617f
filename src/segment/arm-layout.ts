import { MAX_CHUNK_ROWS, MAX_DOF, SEED_CHUNK_ROWS, SEED_DOF } from '../core/joints.ts';
import { f64, type Layout, u32, utf8 } from './fields.ts';

/**
 * The arm segment. The first page is the published table that a ten-line script can use; the pages behind it
 * hold what makes the exchange tear-free and everything that came later.
 */

export const ARM_LAYOUT_VERSION = 1;
export const ARM_MAGIC = 0x4c45594d; // "MYEL"
export const DEFAULT_ARM_SEGMENT = 'arx5_control';

export const CHUNK_SLOTS = 4;
export const LATENESS_BUCKETS = 64;
export const EVENT_RECORDS = 256;
export const EVENT_RECORD_BYTES = 32;

const STATUS = 0x1000;
const STATE = 0x1200;
const LIMITS = 0x2000;
const STATISTICS = 0x3000;
const COMMANDER = 0x4000;
const EVENTS = 0x5000;
const CHUNKS = 0x8000;
const vector = MAX_DOF * 8;

export const CHUNK_SLOT_BYTES = 0x80 + MAX_CHUNK_ROWS * MAX_DOF * 8;
export const CHUNK_SLOTS_OFFSET = CHUNKS;
export const EVENTS_OFFSET = EVENTS;
/** First record of the event ring. */
export const EVENT_RECORDS_OFFSET = EVENTS + 0x80;
export const ARM_SEGMENT_BYTES = CHUNKS + 0x1000 * Math.ceil((CHUNK_SLOTS * CHUNK_SLOT_BYTES) / 0x1000);

/** Page 0: exactly the published table. */
export const SEED_LAYOUT = {
  version: u32(0x000, 'control', 'Layout version'),
  controlState: u32(
    0x004,
    'control',
    'IDLE 0, RUNNING 1, PAUSED 2, RESETTING 3, EMERGENCY_STOP 4, DAMPING 5',
  ),
  requests: u32(
    0x008,
    'anyone',
    'START 1, PAUSE 2, RESET 4, STOP 8; the control process clears them. Prefer requestFlags',
  ),
  acknowledgements: u32(0x00c, 'control', 'Request bits handled last, same values'),
  errors: u32(
    0x010,
    'control',
    'TIMEOUT 1, SAFETY 2, COMMUNICATION 4, HARDWARE 8, and finer bits above them',
  ),
  controlTimestampS: f64(0x020, 'control', 'Unix time of the last tick, s'),
  inferenceTimestampS: f64(0x028, 'commander', 'Heartbeat of whoever sends actions, Unix time, s'),
  jointPositions: f64(0x040, 'control', 'Measured: 6 joints rad, gripper m', SEED_DOF),
  jointVelocities: f64(0x080, 'control', 'Measured: 6 joints rad/s, gripper m/s', SEED_DOF),
  actionIndex: u32(0x100, 'control', 'Row of the chunk being executed'),
  actionCount: u32(0x104, 'commander', 'Rows in the chunk, 0 to 36'),
  actions: f64(
    0x108,
    'commander',
    'One row per policy step: 6 joints rad, gripper m',
    (SEED_CHUNK_ROWS * SEED_DOF) as 252,
  ),
} as const satisfies Layout;

/** Page 1: who owns the segment, and the state block guarded by `stateSequence`. */
export const STATUS_LAYOUT = {
  magic: u32(STATUS + 0x00, 'control', '"MYEL" in ASCII; absent in a segment that is not ours'),
  segmentBytes: u32(STATUS + 0x04, 'control', 'Size of the whole segment'),
  dof: u32(STATUS + 0x08, 'control', 'Degrees of freedom in use, gripper included'),
  controlPid: u32(STATUS + 0x0c, 'control', 'Process id of the control loop'),
  guardianPid: u32(STATUS + 0x10, 'guardian', 'Process id of the guardian'),
  grants: u32(
    STATUS + 0x14,
    'control',
    'Granted by the system: 1 SCHED_FIFO, 2 CPU affinity, 4 locked pages, 8 timer slack',
  ),
  model: utf8(STATUS + 0x20, 'control', 'Arm model, for example X5', 32),
  interfaceName: utf8(STATUS + 0x40, 'control', 'Bus, for example can0', 64),
  createdNs: f64(STATUS + 0x80, 'control', 'Monotonic time at which the segment was made, ns'),
  guardianHeartbeatNs: f64(STATUS + 0x88, 'guardian', "Monotonic time of the guardian's last look, ns"),
  requestsHandled: u32(STATUS + 0x90, 'control', 'How often START, PAUSE, RESET, STOP was carried out', 4),
  requestsRefused: u32(
    STATUS + 0xa0,
    'control',
    'How often START, PAUSE, RESET, STOP was refused in its state',
    4,
  ),
  traceSequence: u32(STATUS + 0xb0, 'control', 'Records written to the trace'),
  requestFlags: u32(
    STATUS + 0xb4,
    'anyone',
    'START, PAUSE, RESET, STOP, a word each: set to 1, cleared by the control process; none can be lost',
    4,
  ),
  pidNamespace: u32(
    STATUS + 0xc4,
    'control',
    'Inode of the PID namespace in which process ids of this segment count (/proc/self/ns/pid); 0 = unknown',
  ),

  stateSequence: u32(STATE + 0x00, 'control', 'Sequence lock of the state: odd while it is being written'),
  limitsHit: u32(
    STATE + 0x04,
    'control',
    'Limits that shaped the last command, one bit each (see the control page)',
  ),
  holdReason: u32(
    STATE + 0x08,
    'control',
    'Why the arm holds: 0 it does not, 1 no fresh action, 2 watchdog, 3 paused, 4 chunk refused, 5 collision, 6 no feedback',
  ),
  chunkSequenceActive: u32(STATE + 0x0c, 'control', 'Sequence number of the chunk being executed'),
  tickNs: f64(STATE + 0x10, 'control', 'Monotonic time of the tick that wrote this state, ns'),
  tick: f64(STATE + 0x18, 'control', 'Ticks since start'),
  busLoad: f64(STATE + 0x20, 'control', 'Share of the bus bit rate in use, 0 to 1'),
  busSent: f64(STATE + 0x28, 'control', 'Frames sent'),
  busReceived: f64(STATE + 0x30, 'control', 'Frames received'),
  busDropped: f64(STATE + 0x38, 'control', 'Frames not sent because the queue was full'),
  clampedTicks: f64(STATE + 0x40, 'control', 'Ticks in which the command lay outside a joint range'),
  chunksRefused: f64(STATE + 0x48, 'control', 'Action chunks that were refused'),
  position: f64(STATE + 0x80, 'control', 'Measured pose, rad and m', MAX_DOF),
  velocity: f64(STATE + 0x80 + vector, 'control', 'Measured, rad/s and m/s', MAX_DOF),
  torque: f64(STATE + 0x80 + 2 * vector, 'control', 'Measured load, Nm and N, uncalibrated', MAX_DOF),
  commandedPosition: f64(STATE + 0x80 + 3 * vector, 'control', 'Commanded pose, rad and m', MAX_DOF),
  commandedVelocity: f64(STATE + 0x80 + 4 * vector, 'control', 'Commanded, rad/s and m/s', MAX_DOF),
  commandedAcceleration: f64(STATE + 0x80 + 5 * vector, 'control', 'Commanded, rad/s2 and m/s2', MAX_DOF),
  targetPosition: f64(
    STATE + 0x80 + 6 * vector,
    'control',
    'What the policy or reset wants now, before limits',
    MAX_DOF,
  ),
  motorTemperatureC: f64(STATE + 0x80 + 7 * vector, 'control', 'Motor winding, degC', MAX_DOF),
  driverTemperatureC: f64(STATE + 0x80 + 8 * vector, 'control', 'Motor electronics, degC', MAX_DOF),
  feedbackAgeNs: f64(
    STATE + 0x80 + 9 * vector,
    'control',
    "Age of each motor's newest feedback, ns",
    MAX_DOF,
  ),
  motorStatus: u32(
    STATE + 0x80 + 10 * vector,
    'control',
    'Status each motor reports, as it reports it',
    MAX_DOF,
  ),
  motorFault: u32(STATE + 0x80 + 10 * vector + MAX_DOF * 4, 'control', 'Fault bits of each motor', MAX_DOF),
} as const satisfies Layout;

/** Page 2: limits and timers in force, written once at start. */
export const LIMITS_LAYOUT = {
  controlFrequencyHz: f64(LIMITS + 0x00, 'control', 'Control rate'),
  commandTimeoutS: f64(LIMITS + 0x08, 'control', 'Without a fresh action for this long: hold'),
  watchdogTimeoutS: f64(LIMITS + 0x10, 'control', 'Without a heartbeat for this long: PAUSED'),
  defaultStepPeriodS: f64(LIMITS + 0x18, 'control', 'Seconds between rows of a chunk in the first page'),
  tablePlaneZ: f64(
    LIMITS + 0x20,
    'control',
    'No part of the arm goes below this height in its base frame, m; NaN = off',
  ),
  positionMin: f64(LIMITS + 0x80, 'control', 'rad and m', MAX_DOF),
  positionMax: f64(LIMITS + 0x80 + vector, 'control', 'rad and m', MAX_DOF),
  velocityMax: f64(LIMITS + 0x80 + 2 * vector, 'control', 'rad/s and m/s', MAX_DOF),
  accelerationMax: f64(LIMITS + 0x80 + 3 * vector, 'control', 'rad/s2 and m/s2', MAX_DOF),
  jerkMax: f64(LIMITS + 0x80 + 4 * vector, 'control', 'rad/s3 and m/s3', MAX_DOF),
  torqueMax: f64(LIMITS + 0x80 + 5 * vector, 'control', 'Nm and N', MAX_DOF),
  home: f64(LIMITS + 0x80 + 6 * vector, 'control', 'Pose that RESET moves to', MAX_DOF),
} as const satisfies Layout;

/** Page 3: loop statistics. Histogram bucket b counts values below 2^(b/4) us, the last one everything above. */
export const STATISTICS_LAYOUT = {
  ticks: f64(STATISTICS + 0x00, 'control', 'Ticks carried out'),
  missed: f64(
    STATISTICS + 0x08,
    'control',
    'Periods skipped because a wake-up was more than one period late',
  ),
  periodNs: f64(STATISTICS + 0x10, 'control', 'Nominal period, ns'),
  latenessMaxNs: f64(STATISTICS + 0x18, 'control', 'Largest wake-up lateness, ns'),
  executionMaxNs: f64(STATISTICS + 0x20, 'control', 'Longest tick, ns'),
  latenessSumNs: f64(STATISTICS + 0x28, 'control', 'Sum of wake-up lateness, ns'),
  executionSumNs: f64(STATISTICS + 0x30, 'control', 'Sum of tick durations, ns'),
  latenessLastNs: f64(STATISTICS + 0x38, 'control', 'Wake-up lateness of the last tick, ns'),
  executionLastNs: f64(STATISTICS + 0x40, 'control', 'Duration of the last tick, ns'),
  latenessHistogram: u32(STATISTICS + 0x100, 'control', 'Wake-up lateness', LATENESS_BUCKETS),
  executionHistogram: u32(STATISTICS + 0x200, 'control', 'Tick duration', LATENESS_BUCKETS),
  periodHistogram: u32(
    STATISTICS + 0x300,
    'control',
    'Distance of the real period from the nominal one',
    LATENESS_BUCKETS,
  ),
} as const satisfies Layout;

/** Page 4: the commander, its lease, and what it tells observers of itself. */
export const COMMANDER_LAYOUT = {
  leaseOwner: u32(
    COMMANDER + 0x00,
    'commander',
    'Who commands: a process id, or 2^31 and above for one that has none here; taken by compare-and-swap; 0 = free',
  ),
  chunkSequence: u32(
    COMMANDER + 0x04,
    'commander',
    'Sequence number of the newest whole chunk; its slot is this modulo 4',
  ),
  leaseHeartbeatNs: f64(
    COMMANDER + 0x08,
    'commander',
    'Monotonic time of the last heartbeat, ns; the lease lapses a watchdog timeout later',
  ),
  leaseName: utf8(COMMANDER + 0x10, 'commander', 'Who commands, for people', 64),
  policyName: utf8(COMMANDER + 0x50, 'commander', 'Policy in use, for people', 96),
  task: utf8(COMMANDER + 0xb0, 'commander', 'Task in words', 128),
  queueDepth: f64(COMMANDER + 0x130, 'commander', 'Actions planned and not yet due, rows'),
  queueCapacity: f64(COMMANDER + 0x138, 'commander', 'Rows a full chunk has'),
  inferenceMs: f64(COMMANDER + 0x140, 'commander', 'Duration of the last inference, ms'),
  frameAgeMs: f64(
    COMMANDER + 0x148,
    'commander',
    'Age of the oldest camera frame in the last observation, ms',
  ),
  inferences: f64(COMMANDER + 0x150, 'commander', 'Inferences since start'),
  inferenceErrors: f64(COMMANDER + 0x158, 'commander', 'Failed inferences since start'),
  commanderPaused: u32(COMMANDER + 0x160, 'commander', '1 while the commander sends no actions on purpose'),
  operatorHeartbeatNs: f64(
    COMMANDER + 0x168,
    'gateway',
    'Monotonic time at which the gateway last said who operates, ns; 0 = nobody does',
  ),
  operatorName: utf8(COMMANDER + 0x170, 'gateway', 'Who operates remotely, for people', 64),
  holdTimeoutS: f64(
    COMMANDER + 0x1b0,
    'commander',
    'What the commander promises: without a heartbeat for so long its chunk is over and the arm holds, s; 0 = no promise',
  ),
} as const satisfies Layout;

/** One chunk slot, {@link CHUNK_SLOT_BYTES} long, at {@link CHUNK_SLOTS_OFFSET} + index * that. */
export const CHUNK_SLOT_LAYOUT = {
  slotSequence: u32(
    0x00,
    'commander',
    'Sequence number of the chunk in this slot; 0 while it is being written',
  ),
  rows: u32(0x04, 'commander', 'Rows, 1 to 128'),
  dof: u32(0x08, 'commander', 'Numbers a row'),
  source: u32(0x0c, 'commander', 'Its writer, as in leaseOwner'),
  startNs: f64(0x10, 'commander', 'Monotonic time at which row 0 is due, ns'),
  stepPeriodS: f64(0x18, 'commander', 'Seconds between rows'),
  observedNs: f64(0x20, 'commander', 'Monotonic time of the observation behind it, ns'),
  timestep: f64(0x28, 'commander', 'Policy step of row 0'),
  checksum: u32(
    0x30,
    'commander',
    'Sum modulo 2^32 of the 12 words from 0x00 to 0x2c, with the final slotSequence, and of every word of the rows',
  ),
  actions: f64(0x80, 'commander', 'rows * dof numbers, row by row', (MAX_CHUNK_ROWS * MAX_DOF) as 2048),
} as const satisfies Layout;

/** Page 5: events for the log; the loop writes them, the guardian prints them. A ring of 32-byte records. */
export const EVENTS_LAYOUT = {
  eventCount: u32(EVENTS + 0x00, 'control', 'Events ever written; the newest is at (count - 1) modulo 256'),
} as const satisfies Layout;

export const EVENT_LAYOUT = {
  timeNs: f64(0x00, 'control', 'Monotonic time, ns'),
  code: u32(0x08, 'control', 'What happened (see control/events.ts)'),
  detail: u32(0x0c, 'control', 'A code that belongs to it'),
  a: f64(0x10, 'control', 'A number that belongs to it'),
  b: f64(0x18, 'control', 'Another'),
} as const satisfies Layout;

export const ARM_LAYOUT = {
  ...SEED_LAYOUT,
  ...STATUS_LAYOUT,
  ...LIMITS_LAYOUT,
  ...STATISTICS_LAYOUT,
  ...COMMANDER_LAYOUT,
  ...EVENTS_LAYOUT,
} as const satisfies Layout;
