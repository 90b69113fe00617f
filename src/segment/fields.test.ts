import { describe, expect, it } from 'vitest';
import { ARM_LAYOUT, ARM_SEGMENT_BYTES, CHUNK_SLOT_LAYOUT, SEED_LAYOUT } from './arm-layout.ts';
import { CAMERA_LAYOUT } from './camera-layout.ts';
import { bind, type Layout } from './fields.ts';
import { WORLD_LAYOUT } from './world-layout.ts';

const bytes = { u32: 4, f64: 8, utf8: 1 } as const;

describe('layouts', () => {
  for (const [name, layout] of Object.entries<Layout>({
    ARM_LAYOUT,
    CHUNK_SLOT_LAYOUT,
    CAMERA_LAYOUT,
    WORLD_LAYOUT,
  })) {
    it(`${name} has aligned fields that never overlap`, () => {
      let end = 0;
      for (const [field, { type, offset, length }] of Object.entries(layout).sort(
        (a, b) => a[1].offset - b[1].offset,
      )) {
        expect(offset % bytes[type], field).toBe(0);
        expect(offset, field).toBeGreaterThanOrEqual(end);
        end = offset + length * bytes[type];
      }
    });
  }

  it('keeps the first page to the letter of the published table', () => {
    const offsets = Object.values(SEED_LAYOUT).map((field) => field.offset);
    expect(offsets).toEqual([0, 4, 8, 0xc, 0x10, 0x20, 0x28, 0x40, 0x80, 0x100, 0x104, 0x108]);
    expect(SEED_LAYOUT.actions.length * 8).toBe(2016);
  });

  it('reads back what it writes, scalars, arrays and text', () => {
    const arm = bind(ARM_LAYOUT, new ArrayBuffer(ARM_SEGMENT_BYTES));
    arm.version = 7;
    arm.controlTimestampS = 1.5;
    arm.position[3] = -2;
    arm.model = 'X5';
    arm.leaseName = 'a'.repeat(80);
    expect([arm.version, arm.controlTimestampS, arm.position[3], arm.model]).toEqual([7, 1.5, -2, 'X5']);
    expect(arm.leaseName).toBe('a'.repeat(64));
    arm.leaseName = '';
    expect(arm.leaseName).toBe('');
  });
});
