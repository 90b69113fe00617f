import { type ArmDescription, armDescription, createArmDriver } from '../arms/catalogue.ts';
import type { ArmDriver } from '../arms/driver.ts';
import type { CanBus } from '../buses/can.ts';
import { openCanBus } from '../buses/open-bus.ts';
import { ControlState, ErrorBit, Request } from '../core/control-state.ts';
import { MyelinError, toMyelinError } from '../core/errors.ts';
import { monotonicNs } from '../platform/clock.ts';
import { lookAtProcess } from '../platform/process-look.ts';
import { raiseNiceness, requestRealtime } from '../platform/realtime.ts';
import { ArmSegment } from '../segment/arm-segment.ts';
import { ArmDamper } from './arm-damper.ts';
import type { ControlConfig } from './control-config.ts';
import { EventCode } from './event-codes.ts';
import { eventText, type LogLevel } from './event-text.ts';
import { EventReader } from './events.ts';
import { LogFilter } from './log-filter.ts';
import { LoopChild, type LoopEnd } from './loop-child.ts';
import { LoopExit } from './loop-messages.ts';
import { type LoopVerdict, LoopWatch } from './loop-watch.ts';
import { startBanner } from './start-banner.ts';

/** How often the guardian looks at the loop, and how often it sends damping frames. */
const LOOK_MS = 5;
/** Events are for people: ten times a second is soon enough. */
const LOOKS_PER_LOG = 20;
/** Waking motors and reading their settings takes a second or two. */
const START_MS = 20_000;
const BUS_RETRY_MS = 50;
const END_NS = 3e9;
/** One Ctrl-C may arrive twice, from the terminal and from a program in between. */
const ONE_KEY_NS = 300e6;

export type Log = (level: LogLevel, text: string) => void;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Why the watch over the loop ended. */
type WatchEnd = LoopEnd | { readonly type: 'lost'; readonly text: string };

const VERDICT_TEXT: Readonly<Record<Exclude<LoopVerdict, 'alive'>, string>> = {
  stopped: 'was stopped from outside',
  stuck: 'hangs in one tick',
  starved: 'was not run by the system',
};

/**
 * The loop's parent: a small process that takes signals, tells people what happens, and watches the loop. When the
 * loop dies or freezes it ends the loop for good, so that there are never two writers, and damps the arm itself
 * through a handle of its own. It opens that handle only then: one held open would have to take in thousands of
 * frames a second, and a serial adapter has room for one reader.
 */
export class Guardian {
  readonly #config: ControlConfig;
  readonly #description: ArmDescription;
  readonly #log: Log;
  #segment: ArmSegment | undefined;
  #events: EventReader | undefined;
  readonly #filter = new LogFilter();
  #refusals: readonly string[] = [];
  #faulted = false;
  #finishedNs = Number.NEGATIVE_INFINITY;
  #firstStopNs: number | undefined;
  #force: (end: WatchEnd) => void = () => undefined;

  constructor(config: ControlConfig, log: Log) {
    this.#config = config;
    this.#log = log;
    this.#description = armDescription(config.model, {
      gripperOpenReadoutRad: config.gripperReadoutRad,
      gripperWidthM: config.gripperWidthM,
    });
  }

  /**
   * Runs the arm until it is stopped and damped. Resolves with the exit code: 0 when it was stopped on request, 1
   * when something went wrong.
   * @throws MyelinError when the loop could not start, with the reason the loop gave
   */
  async run(): Promise<number> {
    // Below the loop and its helper threads, which take the two above.
    const priority = Math.max(0, this.#config.priority - 2);
    // The loop inherits this, but no real-time priority yet: its start would be in the way of arms that already move.
    if (priority > 0) raiseNiceness();
    const loop = LoopChild.start(this.#config);
    this.#refusals = requestRealtime({ priority }).refusals;
    try {
      const end = (await this.#start(loop)) ?? (await this.#watch(loop));
      this.#logEvents();
      if (end.type === 'ended' && end.code === LoopExit.STOPPED) {
        if (this.#faulted) this.#log('alarm', 'The arm is at rest and damped after the fault above.');
        else this.#log('info', 'The arm is at rest and damped.');
        return this.#faulted ? 1 : 0;
      }
      if (end.type === 'ended' && end.code === LoopExit.GUARDIAN_LOST) {
        this.#log('alarm', 'This guardian stood still for too long, so the loop damped the arm and ended.');
        return 1;
      }
      await this.#takeOver(loop, end.text);
      return 1;
    } finally {
      await loop.kill(1000);
      this.#segment?.unlink();
      this.#segment?.close();
    }
  }

  /** The first call asks the loop to bring the arm to rest; a second one does not wait for it any longer. */
  stop(): void {
    if (this.#firstStopNs !== undefined) {
      if (monotonicNs() - this.#firstStopNs < ONE_KEY_NS) return;
      this.#force({ type: 'lost', text: 'was not waited for' });
      return;
    }
    this.#firstStopNs = monotonicNs();
    this.#log('info', 'Stopping: the arm comes to rest and is damped. Once more to force it.');
    this.#segment?.request(Request.STOP);
  }

  /** Resolves with undefined once the loop is about to tick, otherwise with what went wrong. */
  async #start(loop: LoopChild): Promise<WatchEnd | undefined> {
    const timer = setTimeout(
      () => this.#force({ type: 'lost', text: `did not start within ${START_MS / 1000} s` }),
      START_MS,
    );
    const forced = new Promise<WatchEnd>((resolve) => {
      this.#force = resolve;
    });
    const first = await Promise.race([loop.started, forced]);
    clearTimeout(timer);
    if (first.type === 'failed') {
      await loop.ended;
      throw new MyelinError(first.code, first.parameters, { cause: first.stack });
    }
    if (first.type !== 'ready') return first;

    this.#segment = ArmSegment.open(this.#config.segment);
    this.#segment.fields.guardianPid = process.pid;
    this.#events = new EventReader(this.#segment.memory.buffer);
    const refused = this.#refusals.map((text) => `guardian: ${text}`);
    const banner = startBanner(this.#config, this.#description, loop.pid, {
      ...first,
      refused: [...first.refused, ...refused],
    });
    for (const line of banner) this.#log('info', line);
    for (const warning of first.report.warnings) this.#log('warning', warning);
    if (this.#firstStopNs !== undefined) this.#segment.request(Request.STOP);
    return undefined;
  }

  #watch(loop: LoopChild): Promise<WatchEnd> {
    const watch = new LoopWatch({
      timeoutNs: this.#config.guardianTimeoutS * 1e9,
      periodNs: 1e9 / this.#config.controlFrequencyHz,
      look: () => lookAtProcess(loop.pid),
    });
    const fields = this.#segment?.fields;
    if (fields === undefined) throw new RangeError('the watch begins after the start');
    return new Promise((resolve) => {
      let looks = 0;
      const timer = setInterval(() => {
        const nowNs = monotonicNs();
        fields.guardianHeartbeatNs = nowNs;
        // Until the first tick there is nothing to judge; the loop is past everything that may wait.
        const verdict = fields.tickNs === 0 ? 'alive' : watch.observe(nowNs, fields.tickNs);
        if (verdict !== 'alive' && !this.#mayBeEnding(nowNs))
          finish({ type: 'lost', text: VERDICT_TEXT[verdict] });
        looks += 1;
        if (looks % LOOKS_PER_LOG === 0) this.#logEvents();
      }, LOOK_MS);
      const finish = (end: WatchEnd): void => {
        clearInterval(timer);
        resolve(end);
      };
      this.#force = finish;
      void loop.ended.then(finish);
    });
  }

  /** A loop that has damped the arm ticks no more and takes a moment to put its things away. */
  #mayBeEnding(nowNs: number): boolean {
    this.#logEvents();
    return nowNs - this.#finishedNs < END_NS;
  }

  /** Ends the loop and damps the arm until it is at rest. */
  async #takeOver(loop: LoopChild, why: string): Promise<void> {
    await loop.kill(10);
    let arm: { bus: CanBus; driver: ArmDriver } | undefined;
    const startNs = monotonicNs();
    const endNs = startNs + this.#config.guardianDampS * 1e9;
    try {
      arm = await this.#reachArm(startNs + 1e9);
      const damper = new ArmDamper(arm.driver);
      let resting = damper.step(monotonicNs());
      this.#markTakenOver(why, monotonicNs());
      while (!resting && monotonicNs() < endNs) {
        await pause(LOOK_MS);
        resting = damper.step(monotonicNs());
      }
      const seconds = ((monotonicNs() - startNs) / 1e9).toFixed(1);
      const frames = `${damper.accepted} damping frames in ${seconds} s`;
      if (resting) this.#log('info', `The arm is at rest (${frames}).`);
      else this.#log('alarm', `The arm was damped, but rest could not be confirmed (${frames}).`);
    } catch (thrown) {
      this.#markTakenOver(why, Number.NaN);
      const { message, hint } = toMyelinError(thrown);
      this.#log('alarm', `The guardian cannot reach the arm: ${message} (${hint})`);
      this.#log(
        'alarm',
        "What is left is the motors' own communication timeout. Cut the power if the arm moves.",
      );
    } finally {
      arm?.driver.close();
      arm?.bus.close();
    }
  }

  async #reachArm(untilNs: number): Promise<{ bus: CanBus; driver: ArmDriver }> {
    for (;;) {
      try {
        const bus = openCanBus(this.#config.interface);
        return { bus, driver: createArmDriver(this.#description, bus) };
      } catch (error) {
        if (monotonicNs() > untilNs) throw error;
        await pause(BUS_RETRY_MS);
      }
    }
  }

  /** Says what happened, to people and in the segment. `nowNs`: when the first damping frames went out, or NaN. */
  #markTakenOver(why: string, nowNs: number): void {
    const fields = this.#segment?.fields;
    const lastTickNs = fields?.tickNs ?? 0;
    const delay =
      lastTickNs > 0 && nowNs > 0
        ? `; damping ${((nowNs - lastTickNs) / 1e6).toFixed(1)} ms after its last tick`
        : '';
    this.#log('alarm', `The control loop ${why}. The guardian has the arm${delay}.`);
    if (this.#segment === undefined || fields === undefined) return;
    // The loop may have died between beginning and ending its last state: this closes the sequence lock again.
    this.#segment.beginState();
    fields.controlState = ControlState.DAMPING;
    fields.errors |= ErrorBit.GUARDIAN | ErrorBit.HARDWARE;
    this.#segment.endState();
  }

  #logEvents(): void {
    for (const event of this.#events?.read() ?? []) {
      if (event.code === EventCode.FAULT) this.#faulted = true;
      if (event.code === EventCode.FINISHED) this.#finishedNs = event.timeNs;
      // Being limited is daily life of a fast policy: the page, the segment and the trace show it.
      if (event.code === EventCode.LIMITS) continue;
      const { level, text } = eventText(event, this.#description);
      if (level === 'alarm' || this.#filter.tells(text, event.timeNs)) this.#log(level, text);
    }
  }
}
