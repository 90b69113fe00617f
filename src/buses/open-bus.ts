import { MyelinError } from '../core/errors.ts';
import type { CanBus } from './can.ts';
import { SlcanBus } from './slcan.ts';
import { SocketCanBus } from './socketcan.ts';
import { WorldBus } from './world-bus.ts';

/**
 * Opens a CAN bus by the name people give it:
 *
 * - `can0`: a CAN interface of this machine
 * - `slcan:/dev/ttyACM0`, `slcan:/dev/ttyUSB0@3000000`: a serial adapter, with its baud rate if it matters
 * - `world:default`: a simulated world
 *
 * @throws MyelinError BUS_UNAVAILABLE, WORLD_MISSING, INVALID_ARGUMENT
 */
export function openCanBus(name: string): CanBus {
  const world = /^world:([\w.-]+)$/.exec(name);
  if (world) return WorldBus.open(world[1]!);
  const slcan = /^slcan:(\/[^@]+)(?:@(\d{1,8}))?$/.exec(name);
  if (slcan) return SlcanBus.open(slcan[1]!, slcan[2] === undefined ? {} : { baud: Number(slcan[2]) });
  if (/^[A-Za-z][\w.-]{0,14}$/.test(name)) return SocketCanBus.open(name);
  throw new MyelinError('INVALID_ARGUMENT', {
    name: 'interface',
    value: name,
    allowed: 'a CAN interface (can0), slcan:/dev/ttyACM0[@BAUD] or world:NAME',
  });
}
