import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CameraPlaces, chooseCameras } from './camera-choice.ts';

const required = (...names: string[]) => names.map((name) => ({ name }));
const optional = (...names: string[]) => names.map((name) => ({ name, optional: true }));

const look = (places: Partial<CameraPlaces>) => {
  const { chosen, absent } = chooseCameras({ cameras: [], given: [], rings: [], ...places });
  return { chosen: Object.fromEntries(chosen.map(({ camera, source }) => [camera, source])), absent };
};

describe('what the cameras of a policy look through', () => {
  it('is what a person said, by name or in order', () => {
    const cameras = required('front', 'wrist', 'side');
    expect(look({ cameras, given: ['0', '2', 'ring'] }).chosen).toEqual({
      front: '0',
      wrist: '2',
      side: 'ring',
    });
    expect(look({ cameras, given: ['wrist=7', '3', '4'] }).chosen).toEqual({
      front: '3',
      wrist: '7',
      side: '4',
    });
  });

  it('is never a camera the policy does not have', () => {
    expect(() => look({ cameras: required('front'), given: ['wrist=2'] })).toThrow(/--camera-id.*front/);
  });

  it('is a ring of its own name, then of its place, then the world, then a device', () => {
    const cameras = required('observation.wrist', 'top');
    expect(look({ cameras, rings: ['other', 'wrist'] }).chosen).toEqual({
      'observation.wrist': 'wrist',
      top: 'wrist',
    });
    expect(look({ cameras, simulated: ['external', 'wrist'] }).chosen).toEqual({
      'observation.wrist': 'external',
      top: 'wrist',
    });
    expect(look({ cameras }).chosen).toEqual({ 'observation.wrist': '0', top: '1' });
  });

  it('is nothing for a camera that a policy can do without, when there is no more', () => {
    const cameras = optional('camera1', 'camera2', 'camera3');
    expect(look({ cameras, given: ['camera2=0'] })).toEqual({
      chosen: { camera2: '0' },
      absent: ['camera1', 'camera3'],
    });
    expect(look({ cameras, rings: ['camera3'] })).toEqual({
      chosen: { camera3: 'camera3' },
      absent: ['camera1', 'camera2'],
    });
    expect(look({ cameras, simulated: ['external', 'wrist'] })).toEqual({
      chosen: { camera1: 'external', camera2: 'wrist' },
      absent: ['camera3'],
    });
  });

  it('is one device at least', () => {
    expect(look({ cameras: optional('camera1', 'camera2') })).toEqual({
      chosen: { camera1: '0' },
      absent: ['camera2'],
    });
    expect(look({})).toEqual({ chosen: {}, absent: [] });
  });

  it('leaves no camera out and gives optional ones no ring twice', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 5 });
    fc.assert(
      fc.property(names, names, (wanted, rings) => {
        const cameras = optional(...wanted);
        const { chosen, absent } = chooseCameras({ cameras, given: [], rings });
        expect([...chosen.map(({ camera }) => camera), ...absent].sort()).toEqual([...wanted].sort());
        expect(new Set(chosen.map(({ source }) => source)).size).toBe(chosen.length);
      }),
    );
  });
});
