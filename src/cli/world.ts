import { Command, Option } from 'commander';
import { MyelinError } from '../core/errors.ts';
import type { Fault, WorldState } from '../world/world-messages.ts';

interface RunOptions {
  readonly name: string;
  readonly arm: 'X5' | 'L5';
  readonly seed: string;
  readonly bitTiming: boolean;
  readonly motorTimeout: string;
  readonly faults?: string;
  readonly parentPid?: string;
}

interface AskOptions {
  readonly json?: boolean;
}

const NAME = ['--name <name>', 'name of the world', 'default'] as const;

/** `myelin world`: a simulated table with an arm, whose motors answer real CAN frames. */
export function worldCommand(): Command {
  const world = new Command('world')
    .description('Run a simulated arm at a table; its motors answer CAN frames at world:NAME')
    .option(...NAME)
    .addOption(new Option('--arm <model>', 'arm in the world').choices(['X5', 'L5']).default('X5'))
    .option('--seed <number>', 'where the cubes lie, and which frames faults hit', '1')
    .option('--no-bit-timing', 'frames take no time on the bus (needed for 1 kHz)')
    .option('--motor-timeout <ms>', "the motors' own communication timeout, 0 = none", '400')
    .option('--faults <json>', 'faults from the start, a JSON list as for "world fault"')
    .addOption(new Option('--parent-pid <pid>', 'end when this process is no longer the parent').hideHelp())
    .addHelpText(
      'after',
      `
Examples:
  myelin world                                     then, elsewhere: myelin control --interface world:default
  myelin world --seed 7 --no-bit-timing
  myelin world state                               what it is like now
  myelin world reset --seed 8                      lay the cubes out anew
  myelin world perturb link6 --force 0,20,0        push the arm sideways, 20 N for 200 ms
  myelin world perturb red_cube --place 0.3,0,0.1  drop a cube
  myelin world fault lost --motor 5 --probability 0.1
  myelin world fault dead --motor 2
  myelin world fault clear`,
    )
    .action(runAction);
  for (const command of [stateCommand(), resetCommand(), perturbCommand(), faultCommand()]) {
    world.addCommand(
      command
        .option('--json', 'answer with the whole state as JSON')
        .configureHelp({ showGlobalOptions: true }),
    );
  }
  return world;
}

async function runAction(options: RunOptions): Promise<void> {
  const { runWorld } = await import('../world/world-process.ts');
  const { faultSchema } = await import('../world/world-messages.ts');
  const { name, arm } = options;
  await runWorld({
    name,
    arm,
    seed: wholeNumber('--seed', options.seed),
    bitTiming: options.bitTiming,
    motorTimeoutMs: wholeNumber('--motor-timeout', options.motorTimeout),
    ...(options.faults === undefined
      ? {}
      : { faults: parsed('--faults', options.faults, (json) => faultSchema.array().parse(json)) }),
    ...(options.parentPid === undefined ? {} : { parentPid: wholeNumber('--parent-pid', options.parentPid) }),
    onReady: () =>
      process.stdout.write(
        `world "${name}" is up: ${arm}, scene ${options.seed}, bus world:${name}` +
          `${options.bitTiming ? ' at 1 Mbit/s' : ' without bit timing'}\n`,
      ),
  });
}

function stateCommand(): Command {
  return new Command('state')
    .description('Show where everything is, how the motors are, and what the bus has seen')
    .action(async (options: AskOptions, command: Command) => {
      await ask(command, options, (client) => client.state(), describe);
    });
}

function resetCommand(): Command {
  return new Command('reset')
    .description('Lay the cubes out anew; the arm stays where it is')
    .option('--seed <number>', 'another scene; default: the same again')
    .option('--park-arm', 'also put the arm back to its zero pose, as if by hand')
    .action(async (options: AskOptions & { seed?: string; parkArm?: boolean }, command: Command) => {
      // The parent has an option of this name too, and takes it when both could.
      const { seed } = command.optsWithGlobals<{ seed?: string }>();
      const isGiven = command.getOptionValueSource('seed') === 'cli' || sourceOf(command, 'seed') === 'cli';
      await ask(
        command,
        options,
        (client) =>
          client.reset(isGiven && seed !== undefined ? wholeNumber('--seed', seed) : undefined, {
            parkArm: options.parkArm === true,
          }),
        (state) => `scene ${state.seed} is laid out`,
      );
    });
}

function perturbCommand(): Command {
  return new Command('perturb')
    .description('Push a cube or a link of the arm, or put a cube somewhere')
    .argument(
      '<body>',
      'red_cube, green_cube, blue_cube, base_link, link1 ... link6, finger_left, finger_right',
    )
    .option('--force <x,y,z>', 'push with this force, N in the arm base frame')
    .option('--duration <ms>', 'for how long', '200')
    .option('--place <x,y,z>', 'put a cube here, m in the arm base frame')
    .action(
      async (
        body: string,
        options: AskOptions & { force?: string; duration: string; place?: string },
        command: Command,
      ) => {
        const { force, place } = options;
        if ((force === undefined) === (place === undefined)) {
          throw new MyelinError('INVALID_ARGUMENT', {
            name: 'perturb',
            value: 'not clear',
            allowed: 'given exactly one of --force and --place',
          });
        }
        await ask(
          command,
          options,
          (client) =>
            force === undefined
              ? client.place(body, vector('--place', place ?? ''))
              : client.perturb(body, vector('--force', force), wholeNumber('--duration', options.duration)),
          () => (force === undefined ? `${body} is at ${place} m` : `${body} is pushed with ${force} N`),
        );
      },
    );
}

function faultCommand(): Command {
  return new Command('fault')
    .description('Break something: lost, corrupted, late, dead, alive, overTemperature, busOff; or clear')
    .argument('<kind>', 'what to break')
    .option('--motor <id>', 'CAN id of the motor; default: all, where that makes sense')
    .option('--direction <way>', 'frames hit: command, reply, both')
    .option('--probability <share>', 'share of frames hit, 0 to 1')
    .option('--count <number>', 'frames to hit before it ends')
    .option('--delay-ms <ms>', 'how late late frames are')
    .option('--duration-ms <ms>', 'how long the bus is off')
    .option('--celsius <degrees>', 'temperature the motor jumps to')
    .action(async (kind: string, options: AskOptions & Record<string, string>, command: Command) => {
      const { faultSchema } = await import('../world/world-messages.ts');
      const wish: Record<string, unknown> = { kind };
      for (const key of ['motor', 'probability', 'count', 'delayMs', 'durationMs', 'celsius']) {
        if (options[key] !== undefined) wish[key] = Number(options[key]);
      }
      if (options.direction !== undefined) wish.direction = options.direction;
      const fault: Fault = parsed('The fault', JSON.stringify(wish), (json) => faultSchema.parse(json));
      await ask(
        command,
        options,
        (client) => client.fault(fault),
        (state) => `${kind} is in force; ${state.bus.faults.length} frame fault(s), ${motorsOf(state)}`,
      );
    });
}

async function ask(
  command: Command,
  { json }: AskOptions,
  question: (client: import('../world/world-client.ts').WorldClient) => WorldState,
  say: (state: WorldState) => string,
): Promise<void> {
  const { WorldClient } = await import('../world/world-client.ts');
  const { name } = command.optsWithGlobals<{ name: string }>();
  const client = WorldClient.connect(name);
  try {
    const state = question(client);
    process.stdout.write(`${json === true ? JSON.stringify(state) : say(state)}\n`);
  } finally {
    client.close();
  }
}

const sourceOf = (command: Command, key: string): string | undefined =>
  command.parent?.getOptionValueSource(key);

const motorsOf = (state: WorldState): string =>
  `motors ${state.motors.map(({ canId, status }) => `${canId} ${status}`).join(', ')}`;

function describe(state: WorldState): string {
  const fixed = (value: number, digits: number, width: number) => value.toFixed(digits).padStart(width);
  const { bus } = state;
  const load = state.simulatedS > 0 ? (100 * bus.busyS) / state.simulatedS : 0;
  return [
    `${state.arm}, scene ${state.seed}, ${state.simulatedS.toFixed(1)} s simulated, ${state.resets} resets${state.parked ? ', arm parked' : ''}`,
    `sorted ${state.sorted} of ${state.objects.length}`,
    '',
    'object            x m      y m      z m',
    ...state.objects.map(
      ({ name, positionM, sorted }) =>
        `${name.padEnd(12)}${positionM.map((value) => fixed(value, 3, 9)).join('')}${sorted ? '  sorted' : ''}`,
    ),
    '',
    'motor     id model         rad    rad/s       Nm  winding C  driver C  status',
    ...state.motors.map(
      (m) =>
        `${m.joint.padEnd(8)}${String(m.canId).padStart(4)} ${m.model.padEnd(9)}${fixed(m.positionRad, 3, 8)}` +
        `${fixed(m.velocityRadS, 2, 9)}${fixed(m.torqueNm, 2, 9)}${fixed(m.windingC, 1, 11)}${fixed(m.driverC, 1, 10)}  ${m.status}`,
    ),
    '',
    `bus: ${bus.frames} frames, ${load.toFixed(1)} % busy so far, ${bus.hosts} host(s)${bus.busOff ? ', OFF' : ''}`,
    ...(bus.faults.length === 0 ? [] : [`faults: ${bus.faults.map((f) => JSON.stringify(f)).join(' ')}`]),
    `hit: ${bus.hits.lost} lost, ${bus.hits.corrupted} corrupted, ${bus.hits.late} late`,
  ].join('\n');
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new MyelinError('INVALID_ARGUMENT', { name, value: text, allowed: 'a whole number' });
}

function vector(name: string, text: string): [number, number, number] {
  const [x, y, z, ...more] = text.split(',').map(Number);
  const numbers = [x, y, z].filter((value): value is number => Number.isFinite(value));
  if (numbers.length === 3 && more.length === 0) return numbers as [number, number, number];
  throw new MyelinError('INVALID_ARGUMENT', {
    name,
    value: text,
    allowed: 'three numbers, such as 0.3,0,0.1',
  });
}

function parsed<T>(name: string, text: string, parse: (json: unknown) => T): T {
  try {
    return parse(JSON.parse(text));
  } catch (cause) {
    const detail = cause instanceof Error ? firstIssue(cause) : String(cause);
    throw new MyelinError('INVALID_ARGUMENT', { name, value: text, allowed: `valid: ${detail}` }, { cause });
  }
}

/** A schema says what is wrong in a list; its first entry is enough for a person. */
function firstIssue(error: Error & { issues?: readonly { path: PropertyKey[]; message: string }[] }): string {
  const [issue] = error.issues ?? [];
  return issue === undefined ? error.message : `${issue.path.map(String).join('.')}: ${issue.message}`;
}
