import { Command } from 'commander';
import { MyelinError } from '../core/errors.ts';

interface CameraOptions {
  readonly source: string;
  readonly camera: readonly string[];
  readonly size?: string;
  readonly fps: string;
  readonly snapshot?: string;
}

const collect = (value: string, previous: readonly string[]): string[] => [...previous, value];

/** `myelin camera`: one process that puts pictures into camera rings. */
export function cameraCommand(): Command {
  return new Command('camera')
    .description('Put camera pictures where policies and the page find them (ring myelin_cam_<name>)')
    .option(
      '--source <source>',
      'world:NAME (simulated cameras), a device (/dev/video0 or 0), or file:PATH (a picture or a folder of them)',
      'world:default',
    )
    .option(
      '--camera <name>',
      'camera to use, or NAME=RING to call its ring otherwise (repeatable)',
      collect,
      [],
    )
    .option(
      '--size <width>x<height>',
      'size of the pictures, pixels (default: 160x120 simulated, 640x480 real)',
    )
    .option('--fps <number>', 'pictures a second', '30')
    .option('--snapshot <file>', 'save the newest picture of a running camera as PNG and end')
    .addHelpText(
      'after',
      `
Examples:
  myelin camera                                              both cameras of the world, 160x120 at 30 Hz
  myelin camera --source world:lab --camera wrist --size 320x240
  myelin camera --source /dev/video0 --camera front --size 640x480
  myelin camera --camera wrist --snapshot wrist.png          look through a camera that already runs`,
    )
    .action(async (options: CameraOptions) => {
      if (options.snapshot !== undefined) return snapshot(options.camera[0] ?? 'external', options.snapshot);
      await film(options);
    });
}

async function film(options: CameraOptions): Promise<void> {
  const end = new AbortController();
  const ask = () => end.abort();
  process.once('SIGTERM', ask);
  process.once('SIGINT', ask);
  const shared = {
    ...(options.size === undefined ? {} : sizeOf(options.size)),
    frequencyHz: numberOf('--fps', options.fps, 1, 240),
    signal: end.signal,
    onEvent: (text: string) => process.stdout.write(`${text}\n`),
  };
  const cameras = options.camera.map((text) => {
    const [camera = '', ring = camera] = text.split('=');
    return { camera, ring };
  });
  if (options.source.startsWith('world:')) {
    const { runWorldCameras } = await import('../world/camera-process.ts');
    const world = options.source.slice('world:'.length);
    await runWorldCameras({ world, ...(cameras.length === 0 ? {} : { cameras }), ...shared });
    return;
  }
  const name = cameras[0]?.ring;
  if (name === undefined || cameras.length > 1) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: '--camera',
      value: options.camera.join(', ') || 'missing',
      allowed: 'given once for a device or a file: the name of its ring',
    });
  }
  const { runCamera } = await import('../cameras/camera-process.ts');
  await runCamera({ name, source: options.source, ...shared });
}

function sizeOf(text: string): { width: number; height: number } {
  const match = /^(\d+)x(\d+)$/.exec(text);
  if (match === null) {
    throw new MyelinError('INVALID_ARGUMENT', { name: '--size', value: text, allowed: 'such as 160x120' });
  }
  return { width: Number(match[1]), height: Number(match[2]) };
}

function numberOf(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (value >= least && value <= most) return value;
  throw new MyelinError('INVALID_ARGUMENT', {
    name,
    value: text,
    allowed: `a number from ${least} to ${most}`,
  });
}

async function snapshot(camera: string, file: string): Promise<void> {
  const { writeFile } = await import('node:fs/promises');
  const { CameraReader } = await import('../segment/camera-ring.ts');
  const { encodePng } = await import('../world/render/png.ts');
  const reader = CameraReader.open(camera);
  try {
    const frame = reader.read();
    if (frame === undefined) throw new MyelinError('SEGMENT_MISSING', { name: `a picture of ${camera}` });
    await writeFile(file, encodePng(frame.rgb, frame.width, frame.height));
    process.stdout.write(`${file}: ${frame.width}x${frame.height}, picture ${frame.sequence} of ${camera}\n`);
  } finally {
    reader.close();
  }
}
