/**
 * The control loop's own process: `node loop-process.js SETTINGS GUARDIAN_PID`, started by the guardian. Everything
 * that may wait, fail or allocate is done before the first tick; from then on there is nothing but ticks.
 */
import { writeSync } from 'node:fs';
import { type ArmDescription, armDescription, createArmDriver, loadKinematics } from '../arms/catalogue.ts';
import { openCanBus } from '../buses/open-bus.ts';
import { MyelinError, toMyelinError } from '../core/errors.ts';
import { monotonicNs, sleepUntilNs, spinUntilNs, unixS } from '../platform/clock.ts';
import { ExclusiveName } from '../platform/exclusive-name.ts';
import { parentPid } from '../platform/process.ts';
import { type RealtimeGrant, requestHelpersRealtime, requestRealtime } from '../platform/realtime.ts';
import { STATUS_LAYOUT } from '../segment/arm-layout.ts';
import { ArmSegment } from '../segment/arm-segment.ts';
import { inspectSegment } from '../segment/owned-segment.ts';
import { type ControlConfig, parseControlConfig } from './control-config.ts';
import { Controller } from './controller.ts';
import { EventWriter } from './events.ts';
import { runLoop } from './loop.ts';
import { Grant, LoopExit, type LoopMessage } from './loop-messages.ts';
import { LOOP_COLUMNS, LoopStatistics } from './loop-statistics.ts';
import { Pacer } from './pacer.ts';
import { GuardianLoss, ParentWatch } from './parent-watch.ts';
import { rehearse } from './rehearsal.ts';
import { TickRecorder } from './tick-recorder.ts';
import type { TraceDescription } from './trace-format.ts';
import { traceColumns } from './trace-row.ts';
import { TraceWriter } from './trace-writer.ts';

// Only the guardian takes signals. A handler, even one that never gets to run, keeps these from ending the loop.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

/**
 * A real-time thread wakes tens of microseconds late, once in a thousand times 200: it wakes this much earlier and spins
 * the rest, which takes a tenth of a core at 500 Hz.
 */
const REALTIME_SPIN_US = 200;

const waitMs = (ms: number): void => sleepUntilNs(monotonicNs() + ms * 1e6);

const tell = (message: LoopMessage): Promise<void> =>
  new Promise((done) => {
    if (process.send === undefined) done();
    else process.send(message, () => done());
  });

/** Whoever started this process may be gone by now, and its terminal too. */
const say = (text: string): void => {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // Nobody is left to read it.
  }
};

/** Everything the loop holds, closed in the reverse order of opening. */
class Session {
  readonly #closers: (() => void)[] = [];

  hold<T extends { close(): void }>(resource: T): T {
    this.#closers.push(() => resource.close());
    return resource;
  }

  defer(closer: () => void): void {
    this.#closers.push(closer);
  }

  close(): void {
    for (const closer of this.#closers.splice(0).reverse()) closer();
  }
}

async function run(config: ControlConfig, guardianPid: number, session: Session): Promise<number> {
  const description = armDescription(config.model, {
    gripperOpenReadoutRad: config.gripperReadoutRad,
    gripperWidthM: config.gripperWidthM,
  });
  const kinematics = loadKinematics(description, config.urdf);
  const periodNs = 1e9 / config.controlFrequencyHz;

  // The name of a live segment is the right to its arm: a second control process ends here, before any motor wakes.
  const other = inspectSegment(config.segment);
  if (other?.alive) throw new MyelinError('SEGMENT_IN_USE', { name: config.segment, pid: other.pid });
  // Two segments on one bus would be two masters of one arm.
  const claim = ExclusiveName.take(`myelin-bus-${config.interface}`);
  if (claim === undefined) throw new MyelinError('BUS_IN_USE', { interface: config.interface });
  session.hold(claim);

  // Motors that have been woken let go again when nobody speaks to them: all that takes time is done before.
  const writer =
    config.trace === undefined
      ? undefined
      : session.hold(
          TraceWriter.create(
            config.trace,
            describeTrace(config, description),
            Math.ceil(config.traceLengthS * config.controlFrequencyHz),
          ),
        );
  rehearse(description, kinematics, config, `${config.segment}.rehearsal-${process.pid}`);
  globalThis.gc?.();
  requestHelpersRealtime(config.priority - 1);
  const grant = requestRealtime({
    priority: config.priority,
    ...(config.cpu !== undefined && { cpu: config.cpu }),
  });

  const bus = session.hold(openCanBus(config.interface));
  const { controlFrequencyHz } = config;
  const driver = session.hold(createArmDriver(description, bus, { controlFrequencyHz }));
  const busLoad = driver.busLoad(controlFrequencyHz);
  refuseSlowBus(config, busLoad);
  const report = driver.connect(waitMs);
  // From here on the motors are awake: whatever happens, they are left damped.
  session.defer(() => driver.damp());

  const segment = session.hold(
    ArmSegment.createHidden(config.segment, {
      dof: description.dof,
      model: config.model,
      interfaceName: config.interface,
    }),
  );
  session.defer(() => segment.unlink());
  const memory = segment.memory.buffer;
  const heartbeat = new Float64Array(memory, STATUS_LAYOUT.guardianHeartbeatNs.offset, 1);
  const statistics = new LoopStatistics(memory, periodNs);
  const events = new EventWriter(memory);
  const controller = new Controller({
    description,
    kinematics,
    segment,
    driver,
    config,
    events,
    busStats: bus.stats,
  });
  const recorder = writer && new TickRecorder(writer, controller.traceRow, statistics, memory);
  const { refused, granted } = tellGrants(config, grant, segment);
  const parent = new ParentWatch({
    guardianPid,
    parentPid,
    heartbeat,
    timeoutNs: config.guardianHeartbeatTimeoutS * 1e9,
  });
  const pacer = new Pacer({
    periodNs,
    spinNs: 1000 * (config.spinUs ?? (grant.fifo ? REALTIME_SPIN_US : 0)),
    clock: { nowNs: monotonicNs, sleepUntilNs, spinUntilNs },
    statistics,
  });

  // Whoever sees the segment finds the arm's pose in it, and a controller that hears what is published from now on.
  controller.tick(monotonicNs(), unixS());
  segment.appear();
  await tell({ type: 'ready', report, busLoad, granted, refused });
  live = true;
  heartbeat[0] = monotonicNs();
  const collectGarbage = () => globalThis.gc?.({ type: 'minor' });
  const loss = runLoop({ controller, pacer, parent, unixS, recorder, collectGarbage });
  if (loss !== GuardianLoss.NONE) {
    say(
      `myelin control: the guardian ${loss === GuardianLoss.DIED ? 'died' : 'stood still'}; the loop brought the arm to rest and damped it`,
    );
    return LoopExit.GUARDIAN_LOST;
  }
  return LoopExit.STOPPED;
}

/** A real bus that cannot carry the traffic would drop commands; a simulated one may be faster than life. */
function refuseSlowBus(config: ControlConfig, load: number): void {
  if (load <= 1 || config.interface.startsWith('world:')) return;
  throw new MyelinError('BUS_TOO_SLOW', {
    interface: config.interface,
    hz: config.controlFrequencyHz,
    percent: Math.round(load * 100),
    most: Math.floor(config.controlFrequencyHz / load / 10) * 10,
  });
}

/** Puts what the system granted into the segment, and all of it into words. */
function tellGrants(
  config: ControlConfig,
  grant: RealtimeGrant,
  segment: ArmSegment,
): { granted: string[]; refused: string[] } {
  const locked = segment.memory.lock();
  const parts: readonly (readonly [boolean, number, string])[] = [
    [grant.fifo, Grant.FIFO, `SCHED_FIFO priority ${config.priority}`],
    [grant.affinity, Grant.AFFINITY, `core ${config.cpu}`],
    [locked, Grant.LOCKED, 'segment locked in memory'],
    [grant.timerSlack, Grant.TIMER_SLACK, 'exact timers'],
  ];
  const given = parts.filter(([granted]) => granted);
  segment.fields.grants = given.reduce((bits, [, bit]) => bits | bit, 0);
  const refused = [...grant.refusals];
  if (config.priority === 0) refused.push('SCHED_FIFO was not asked for (--priority 0)');
  if (!locked) refused.push('Locking the segment in memory refused (ulimit -l)');
  return { granted: given.map(([, , words]) => words), refused };
}

const describeTrace = (config: ControlConfig, description: ArmDescription): TraceDescription => {
  const { positionMin, positionMax, velocityMax, accelerationMax, jerkMax } = description.limits;
  return {
    columns: [...traceColumns(description.dof), ...LOOP_COLUMNS],
    model: config.model,
    interfaceName: config.interface,
    dof: description.dof,
    jointNames: [...description.jointNames],
    periodNs: 1e9 / config.controlFrequencyHz,
    createdS: unixS(),
    limits: {
      positionMin: [...positionMin],
      positionMax: [...positionMax],
      velocityMax: [...velocityMax],
      accelerationMax: [...accelerationMax],
      jerkMax: [...jerkMax],
    },
  };
};

const session = new Session();
/** The guardian has heard that the arm is awake: from now on it reads exit codes and listens to nothing else. */
let live = false;
let exitCode: number = LoopExit.FAILED_TO_START;
try {
  const config = parseControlConfig(JSON.parse(process.argv[2] ?? '{}'), 'from the guardian');
  exitCode = await run(config, Number(process.argv[3]), session);
} catch (thrown) {
  const { code, parameters, stack } = toMyelinError(thrown);
  exitCode = live ? LoopExit.DEFECT : LoopExit.FAILED_TO_START;
  if (live) say(`myelin control: the loop failed: ${stack}`);
  await tell({
    type: 'failed',
    code,
    parameters,
    ...(code === 'INTERNAL' && stack !== undefined && { stack }),
  });
} finally {
  session.close();
}
process.exit(exitCode);
