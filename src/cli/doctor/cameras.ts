import { join } from 'node:path';
import { listCameras } from '../../segment/camera-ring.ts';
import { type Check, type Finding, ok, problem, softened, warning } from './check.ts';
import { exists, namesIn, permission, readLine } from './device-files.ts';

/** Where devices and what the kernel knows of them are; another folder in tests. */
export interface DeviceFolders {
  readonly dev: string;
  readonly sys: string;
}
export const DEVICE_FOLDERS: DeviceFolders = { dev: '/dev', sys: '/sys' };

/**
 * Cameras: those asked for, as `--camera-id` takes them (a number, a ring, `NAME=` either), or all there are.
 */
export const camerasCheck = (wanted: readonly string[] = [], folders = DEVICE_FOLDERS): Check => ({
  name: 'cameras',
  title: 'Cameras',
  look: async () => {
    if (wanted.length > 0) return Promise.all(wanted.map((text) => wantedCamera(text, folders)));
    const devices = (await namesIn(folders.dev)).filter((name) => /^video\d+$/.test(name));
    const cameras = await Promise.all(devices.map((name) => camera(name, folders)));
    const rings = listCameras().map(({ name }) => ok(`the ring ${name} is filmed`));
    const found = [...cameras.flatMap((finding) => finding ?? []), ...rings];
    if (found.length > 0) return found;
    return [warning('none', 'Plug one in and look for it with: ls /dev/video*; simulated arms need none.')];
  },
});

async function wantedCamera(text: string, folders: DeviceFolders): Promise<Finding> {
  const source = text.split('=').at(-1) ?? text;
  if (!/^\d+$/.test(source)) {
    const filmed = listCameras().some(({ name }) => name === source);
    return filmed
      ? ok(`the ring ${source} is filmed`)
      : warning(
          `nobody films the ring "${source}" yet`,
          'Start one: myelin camera --camera NAME --source /dev/videoN',
        );
  }
  const device = `video${source}`;
  const path = join(folders.dev, device);
  if (!(await exists(path))) {
    const there = (await namesIn(folders.dev)).filter((name) => /^video\d+$/.test(name));
    const list = there.length === 0 ? 'there is none at all' : `there are ${there.join(', ')}`;
    return problem(`${path} is not there`, `Check its cable; ${list}. v4l2-ctl --list-devices names them.`, {
      path,
    });
  }
  const { name, pictures } = await describe(device, folders);
  if (!pictures)
    return problem(
      `${path} (${name}) gives no pictures`,
      'It is the second node of a camera: use the one before it.',
    );
  return permission(path, `${path} (${name})`, 'video');
}

/** Undefined for nodes without pictures: most cameras have one beside their own. */
async function camera(device: string, folders: DeviceFolders): Promise<Finding | undefined> {
  const { name, pictures } = await describe(device, folders);
  const path = join(folders.dev, device);
  return pictures ? softened(await permission(path, `${path} (${name})`, 'video')) : undefined;
}

async function describe(
  device: string,
  { sys }: DeviceFolders,
): Promise<{ name: string; pictures: boolean }> {
  const about = join(sys, 'class/video4linux', device);
  const name = (await readLine(join(about, 'name'))) ?? 'unknown';
  return { name, pictures: ((await readLine(join(about, 'index'))) ?? '0') === '0' };
}
