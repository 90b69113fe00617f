import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { DEVICE_FOLDERS, type DeviceFolders } from './cameras.ts';
import { type Check, type Finding, ok, problem, softened, warning } from './check.ts';
import { exists, namesIn, permission, readLine } from './device-files.ts';

/** `type` of CAN interfaces below /sys/class/net: ARPHRD_CAN. */
const CAN_TYPE = '280';
const UP = 1;
const SERIAL = /^tty(ACM|USB|AMA|THS)\d+$/;

/**
 * Where arms are connected: the interface asked for, as `myelin control --interface` takes it or a serial port's path,
 * or every CAN interface and serial port there is.
 */
export const armBusCheck = (wanted: readonly string[] = [], folders = DEVICE_FOLDERS): Check => ({
  name: 'arm',
  title: 'Arm connection',
  look: async () => {
    if (wanted.length > 0) return Promise.all(wanted.map((name) => wantedBus(name, folders)));
    const found = [...(await canInterfaces(folders)), ...(await serialPorts(folders))];
    if (found.length > 0) return found.map(softened);
    return [
      warning(
        'no CAN interface, no serial port',
        'Plug the adapter in and look with: ip link; ls /dev/ttyACM* /dev/ttyUSB*. A simulated arm needs none.',
      ),
    ];
  },
});

async function wantedBus(name: string, folders: DeviceFolders): Promise<Finding> {
  const world = /^world:(.+)$/.exec(name)?.[1];
  if (world !== undefined) return ok(`the simulated world "${world}"`);
  const path = /^(?:[a-z]+:)?(\/[^@]+)/.exec(name)?.[1];
  if (path !== undefined) return wantedPort(path, folders);
  if (await exists(join(folders.sys, 'class/net', name))) return canInterface(name, folders);
  const names = await canNames(folders);
  const there = names.length === 0 ? 'there is no CAN interface' : `there are ${names.join(', ')}`;
  return problem(
    `the CAN interface ${name} is not there`,
    `Plug the adapter in; ${there}. For a serial adapter: --interface slcan:/dev/ttyACM0`,
  );
}

async function wantedPort(path: string, folders: DeviceFolders): Promise<Finding> {
  const real = await realpath(path).catch(() => undefined);
  if (real !== undefined) return permission(real, real === path ? path : `${path} (${real})`, 'dialout');
  const there = (await namesIn(folders.dev)).filter((name) => SERIAL.test(name));
  const list = there.length === 0 ? 'there is no serial port' : `there are ${there.join(', ')}`;
  return problem(`${path} is not there`, `Check cable and power of the arm; ${list}.`, { path });
}

async function canNames({ sys }: DeviceFolders): Promise<string[]> {
  const folder = join(sys, 'class/net');
  const all = await namesIn(folder);
  const types = await Promise.all(all.map((name) => readLine(join(folder, name, 'type'))));
  return all.filter((_, i) => types[i] === CAN_TYPE);
}

const canInterfaces = async (folders: DeviceFolders): Promise<Finding[]> =>
  Promise.all((await canNames(folders)).map((name) => canInterface(name, folders)));

async function canInterface(name: string, { sys }: DeviceFolders): Promise<Finding> {
  const folder = join(sys, 'class/net', name);
  if ((await readLine(join(folder, 'type'))) !== CAN_TYPE)
    return problem(`${name} is no CAN interface`, 'ip -details link shows which are.');
  const flags = Number(await readLine(join(folder, 'flags')));
  if ((flags & UP) !== 0) return ok(`${name} is up`);
  return problem(
    `${name} is down`,
    `sudo ip link set ${name} type can bitrate 1000000 && sudo ip link set ${name} up`,
  );
}

async function serialPorts({ dev }: DeviceFolders): Promise<Finding[]> {
  const byId = join(dev, 'serial/by-id');
  const names = new Map<string, string>();
  for (const name of await namesIn(byId)) {
    const target = await realpath(join(byId, name)).catch(() => undefined);
    if (target !== undefined) names.set(target, name);
  }
  const ports = (await namesIn(dev)).filter((name) => SERIAL.test(name)).map((name) => join(dev, name));
  return Promise.all(
    ports.map((path) => {
      const name = names.get(path);
      return permission(path, name === undefined ? path : `${path} (${name})`, 'dialout');
    }),
  );
}
