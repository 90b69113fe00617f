import { ARM_LAYOUT, CHUNK_SLOT_LAYOUT } from './arm-layout.ts';
import { CAMERA_LAYOUT, CAMERA_SLOT_LAYOUT } from './camera-layout.ts';
import type { Layout } from './fields.ts';

/** In front of and behind what is generated into a C++ header. */
export const CPP_BEGIN = '// <generated>';
export const CPP_END = '// </generated>';

const hex = (value: number): string => `0x${value.toString(16).toUpperCase().padStart(3, '0')}`;
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const offsets = (layout: Layout): string[] =>
  Object.entries(layout).map(
    ([name, { offset, doc }]) => `inline constexpr std::size_t ${snake(name)} = ${hex(offset)};  // ${doc}`,
  );

const space = (name: string, lines: readonly string[]): string[] => [
  `namespace ${name} {`,
  ...lines,
  `}  // namespace ${name}`,
];

/** Offsets of every field and the constants of the layout, as namespace `layout` between the two marks. */
export function cppLayout(
  constants: Readonly<Record<string, number>>,
  texts: Readonly<Record<string, string>>,
) {
  const values = [
    ...Object.entries(texts).map(
      ([name, value]) => `inline constexpr const char* ${name} = ${JSON.stringify(value)};`,
    ),
    ...Object.entries(constants).map(([name, value]) => `inline constexpr std::uint32_t ${name} = ${value};`),
  ];
  const lines = [
    ...values,
    ...offsets(ARM_LAYOUT),
    ...space('chunk_slot', offsets(CHUNK_SLOT_LAYOUT)),
    ...space('camera', offsets(CAMERA_LAYOUT)),
    ...space('camera_slot', offsets(CAMERA_SLOT_LAYOUT)),
  ];
  return [
    `${CPP_BEGIN} by "node tools/generate-segment.mjs" from src/segment/*-layout.ts: do not edit.`,
    ...space('layout', lines),
    CPP_END,
  ].join('\n');
}
