/**
 * A layout is one table of fields; everything that reads or writes shared memory is generated from it:
 * the TypeScript accessors here, the Python helper's constants and the documentation page.
 */

export type FieldType = 'u32' | 'f64' | 'utf8';

/** Who may write a field. Everyone may read everything. */
export type Writer = 'control' | 'commander' | 'anyone' | 'guardian' | 'camera' | 'world' | 'gateway';

export interface Field {
  readonly type: FieldType;
  /** Bytes from the start of the segment. */
  readonly offset: number;
  /** Elements (bytes for `utf8`); 1 is a scalar. */
  readonly length: number;
  readonly writer: Writer;
  /** Meaning, unit and range, in one sentence. */
  readonly doc: string;
}

export type Layout = Readonly<Record<string, Field>>;

/** Scalars become properties, arrays typed-array views, `utf8` strings. Little-endian, as every supported machine is. */
export type Accessors<L extends Layout> = {
  -readonly [K in keyof L]: L[K]['type'] extends 'utf8'
    ? string
    : L[K]['length'] extends 1
      ? number
      : L[K]['type'] extends 'u32'
        ? Uint32Array
        : Float64Array;
};

interface Maker<T extends 'u32' | 'f64'> {
  (offset: number, writer: Writer, doc: string): Field & { readonly type: T; readonly length: 1 };
  <const N extends number>(
    offset: number,
    writer: Writer,
    doc: string,
    length: N,
  ): Field & { readonly type: T; readonly length: N };
}

const maker = <T extends 'u32' | 'f64'>(type: T) =>
  ((offset: number, writer: Writer, doc: string, length = 1) => ({
    type,
    offset,
    length,
    writer,
    doc,
  })) as Maker<T>;

export const u32 = maker('u32');
export const f64 = maker('f64');

export const utf8 = <const N extends number>(offset: number, writer: Writer, doc: string, length: N) =>
  ({ type: 'utf8', offset, length, writer, doc }) as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Binds a layout to memory, `base` bytes in. Views are made once, so reading them allocates nothing. */
export function bind<L extends Layout>(layout: L, memory: ArrayBufferLike, base = 0): Accessors<L> {
  const target = {};
  for (const [name, field] of Object.entries(layout)) {
    const at = base + field.offset;
    if (field.type === 'utf8') {
      const bytes = new Uint8Array(memory, at, field.length);
      Object.defineProperty(target, name, {
        enumerable: true,
        get: () => decoder.decode(bytes.slice(0, (bytes.indexOf(0) + field.length + 1) % (field.length + 1))),
        set: (text: string) => {
          bytes.fill(0);
          bytes.set(encoder.encode(text).subarray(0, field.length));
        },
      });
      continue;
    }
    const view =
      field.type === 'u32'
        ? new Uint32Array(memory, at, field.length)
        : new Float64Array(memory, at, field.length);
    if (field.length === 1) {
      Object.defineProperty(target, name, {
        enumerable: true,
        get: () => view[0],
        set: (value: number) => {
          view[0] = value;
        },
      });
    } else {
      Object.defineProperty(target, name, { enumerable: true, value: view });
    }
  }
  return fast(target) as Accessors<L>;
}

/**
 * V8 keeps an object with this many accessors as a hash table, which makes each access several times slower and
 * allocate. It does not do so for an object that serves as a prototype, so this one does for a moment.
 */
function fast(target: object): object {
  return Object.getPrototypeOf(Object.create(target)) as object;
}
