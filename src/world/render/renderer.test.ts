import { inflateSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { World } from '../world.ts';
import { encodePng } from './png.ts';
import { Renderer } from './renderer.ts';

const WIDTH = 160;
const HEIGHT = 120;
const world = await World.create({ seed: 3 });
const renderer = await Renderer.create('X5');
const views = new Map(
  renderer.cameraNames.map((name) => [name, renderer.view(name, WIDTH, HEIGHT)!] as const),
);
afterAll(() => {
  renderer.close();
  world.close();
});

function picture(camera = 'external'): Uint8Array {
  const rgb = new Uint8Array(3 * WIDTH * HEIGHT);
  world.physics.refresh();
  renderer.setPositions(world.physics.qpos);
  renderer.render(views.get(camera)!, rgb);
  return rgb;
}

/** Pixels in which one channel outshines the others clearly. */
function countColour(rgb: Uint8Array, channel: number): number {
  let count = 0;
  for (let i = 0; i < rgb.length; i += 3) {
    const others = [0, 1, 2].filter((other) => other !== channel).map((other) => rgb[i + other]!);
    if (rgb[i + channel]! > 60 + Math.max(...others)) count += 1;
  }
  return count;
}

describe('the cameras of the world', () => {
  it('are the two every arm has', () => {
    expect(renderer.cameraNames.sort()).toEqual(['external', 'wrist']);
    expect(renderer.view('attic', 10, 10)).toBeUndefined();
  });

  it('see cubes and bins of all three colours from outside', () => {
    const rgb = picture();
    for (const channel of [0, 1, 2]) expect(countColour(rgb, channel)).toBeGreaterThan(60);
  });

  it('draw the same picture of the same scene', () => {
    expect(picture()).toEqual(picture());
    expect(picture('wrist')).toEqual(picture('wrist'));
  });

  it('see a cube come and go, and its shadow with it', () => {
    const before = picture();
    world.place('red_cube', [9, 9, 0.02]);
    const after = picture();
    expect(countColour(after, 0)).toBeLessThan(countColour(before, 0));
    const changed = before.filter((value, i) => value !== after[i]).length;
    expect(changed).toBeGreaterThan(30);
    expect(changed).toBeLessThan(before.length / 10);
    world.reset();
  });

  it('show the gripper in the wrist camera, whatever the arm does', () => {
    const lower = (rgb: Uint8Array) => rgb.subarray(3 * WIDTH * (HEIGHT - 10));
    const home = lower(picture('wrist')).slice();
    world.physics.setArm([0.5, 1.2, 0.9, -0.8, 0, 0, 0]);
    const away = lower(picture('wrist'));
    const dark = (rgb: Uint8Array) => rgb.filter((value) => value < 80).length / rgb.length;
    expect(dark(home)).toBeGreaterThan(0.35);
    expect(dark(away)).toBeGreaterThan(0.35);
    world.physics.setArm([0, 0, 0, 0, 0, 0, 0]);
  });

  it('draw large pictures as well', () => {
    const view = renderer.view('external', 320, 240)!;
    const rgb = new Uint8Array(3 * 320 * 240);
    renderer.render(view, rgb);
    expect(countColour(rgb, 0)).toBeGreaterThan(240);
  });
});

describe('a PNG file', () => {
  it('holds the picture, line by line', () => {
    const rgb = Uint8Array.from({ length: 18 }, (_, i) => 10 * i);
    const file = Buffer.from(encodePng(rgb, 3, 2));
    expect(file.subarray(1, 4).toString()).toBe('PNG');
    expect([file.readUInt32BE(16), file.readUInt32BE(20)]).toEqual([3, 2]);
    const start = file.indexOf('IDAT');
    const lines = inflateSync(file.subarray(start + 4, start + 4 + file.readUInt32BE(start - 4)));
    expect([...lines]).toEqual([0, ...rgb.subarray(0, 9), 0, ...rgb.subarray(9)]);
  });
});
