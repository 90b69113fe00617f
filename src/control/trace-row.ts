/**
 * One tick as a row of numbers: the controller fills it, the loop stores it, tests and people read it by column
 * name. Scalars come first, then the joint vectors, one column a joint (`commandedPosition0` and so on).
 */

export const TRACE_SCALARS = [
  /** Monotonic time of the tick, ns. */
  'timeNs',
  'unixS',
  'tick',
  'state',
  /** Request bits taken in this tick. */
  'requests',
  /** Request bits taken last, in this tick or before. */
  'acknowledgements',
  'errors',
  'limitsHit',
  'holdReason',
  'chunkSequence',
  /** Row of the chunk being executed. */
  'rowIndex',
  /** Chunks refused since start. */
  'chunksRefused',
  /** Ticks since start in which a target outside the joint range was moved to its edge. */
  'clampedTicks',
  'feedbackAgeMaxNs',
  /** Fault bits of all motors together. */
  'motorFaults',
  /** Frames the bus accepted in this tick. */
  'framesWritten',
  'busSent',
  'busReceived',
  'busDropped',
  'busErrors',
  'busOff',
  /** Share of the full stiffness in force: 0 limp, 1 stiff. */
  'stiffness',
] as const;
export type TraceScalar = (typeof TRACE_SCALARS)[number];

export const TRACE_VECTORS = [
  'commandedPosition',
  'commandedVelocity',
  'commandedAcceleration',
  'targetPosition',
  'position',
  'velocity',
  'torque',
] as const;
export type TraceVector = (typeof TRACE_VECTORS)[number];

/** Column names for an arm of `dof` joints, in the order of the row. */
export const traceColumns = (dof: number): string[] => [
  ...TRACE_SCALARS,
  ...TRACE_VECTORS.flatMap((name) => Array.from({ length: dof }, (_, joint) => `${name}${joint}`)),
];

export const traceColumnCount = (dof: number): number => TRACE_SCALARS.length + TRACE_VECTORS.length * dof;

/** Index of each scalar in a row. */
export const TraceColumn = Object.fromEntries(TRACE_SCALARS.map((name, index) => [name, index])) as Readonly<
  Record<TraceScalar, number>
>;

/** Index of a vector's first joint in a row. */
export const vectorColumn = (name: TraceVector, dof: number): number =>
  TRACE_SCALARS.length + TRACE_VECTORS.indexOf(name) * dof;
