/** A tensor for {@link torchFile}. */
export interface TorchTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const text = (value: string): number[] => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return [0x58, ...length, ...bytes];
};
const integer = (value: number): number[] => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return [0x4a, ...bytes];
};
const global = (module: string, name: string): number[] => [...Buffer.from(`c${module}\n${name}\n`)];
const tuple = (...items: readonly number[][]): number[] => [0x28, ...items.flat(), 0x74];
const MARK = 0x28;

/** Bytes of `torch.save({name: tensor, ...})` in the format before 1.6, which has no container around it. */
export function torchFile(tensors: Readonly<Record<string, TorchTensor>>): Buffer {
  const magic = [0x80, 2, 0x8a, 10, ...Buffer.from('6cfc9c46f9206aa85019', 'hex'), 0x2e];
  const protocol = [0x80, 2, ...integer(1001), 0x2e];
  const system = [0x80, 2, 0x7d, ...text('little_endian'), 0x88, 0x73, 0x2e];
  const entries = Object.entries(tensors);
  const items = entries.flatMap(([name, { shape, values }], i) => {
    const storage = tuple(
      text('storage'),
      global('torch', 'FloatStorage'),
      text(String(i)),
      text('cpu'),
      integer(values.length),
      [0x4e],
    );
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, n) => product * n, 1));
    const hooks = [...global('collections', 'OrderedDict'), 0x29, 0x52];
    const args = tuple(
      [...storage, 0x51],
      integer(0),
      tuple(...shape.map(integer)),
      tuple(...strides.map(integer)),
      [0x89],
      hooks,
    );
    return [...text(name), ...global('torch._utils', '_rebuild_tensor_v2'), ...args, 0x52];
  });
  const dictionary = [0x80, 2, 0x7d, MARK, ...items, 0x75, 0x2e];
  const keys = [0x80, 2, 0x5d, MARK, ...entries.flatMap((_, i) => text(String(i))), 0x65, 0x2e];
  const storages = entries.map(([, { values }]) => {
    const count = Buffer.alloc(8);
    count.writeBigInt64LE(BigInt(values.length));
    return Buffer.concat([count, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);
  });
  return Buffer.concat([Buffer.from([magic, protocol, system, dictionary, keys].flat()), ...storages]);
}
