import { ProtoWriter } from './protobuf.ts';

/** ONNX element types (TensorProto.DataType), by the names safetensors uses where it has one. */
export const ELEMENT_TYPE = {
  F32: 1,
  U8: 2,
  I8: 3,
  U16: 4,
  I16: 5,
  I32: 6,
  I64: 7,
  BOOL: 9,
  F16: 10,
  F64: 11,
  U32: 12,
  U64: 13,
  BF16: 16,
  F8_E4M3: 17,
  F8_E5M2: 19,
} as const;

export type ElementType = keyof typeof ELEMENT_TYPE;

/** An edge of the graph: the result of a node, an input, or an initialiser. */
export interface Value {
  readonly name: string;
}

/** An extent, or a name for one that is known only when the graph runs. */
export type Extent = number | string;

/** A number becomes FLOAT; wrap whole numbers in `int()` so that the two are never confused. */
export type Attribute = number | string | { readonly int: number } | { readonly ints: readonly number[] };
export const int = (value: number) => ({ int: value });
export const ints = (...values: number[]) => ({ ints: values });

/** Bytes of another file that hold an initialiser. */
export interface ExternalData {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

const OPSET = 20;
const IR_VERSION = 9;
const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_STRING = 3;
const ATTRIBUTE_INTS = 7;

/** Builds an ONNX model, node by node, and writes it as bytes. Weights may stay in the file they came in. */
export class Graph {
  readonly name: string;
  readonly #nodes: ((writer: ProtoWriter) => void)[] = [];
  readonly #initialisers = new Map<string, (writer: ProtoWriter) => void>();
  readonly #inputs: ((writer: ProtoWriter) => void)[] = [];
  readonly #outputs: ((writer: ProtoWriter) => void)[] = [];
  #counter = 0;

  constructor(name: string) {
    this.name = name;
  }

  input(name: string, shape: readonly Extent[], type: ElementType = 'F32'): Value {
    this.#inputs.push((writer) => valueInfo(writer, name, shape, type));
    return { name };
  }

  /** Names a value as a result of the whole graph. */
  output(name: string, value: Value, shape: readonly Extent[], type: ElementType = 'F32'): void {
    this.#outputs.push((writer) => valueInfo(writer, name, shape, type));
    this.#addNode('Identity', [value], [name], {}, '');
  }

  /** Adds a node with one result. */
  node(
    operator: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): Value {
    const name = `${operator}_${this.#counter++}`;
    this.#addNode(operator, inputs, [name], attributes, domain);
    return { name };
  }

  floats(values: Float32Array, shape: readonly number[]): Value {
    return this.#constant(values, shape, 'F32');
  }

  /** 64-bit whole numbers, as shapes and axes are. */
  integers(...values: number[]): Value {
    return this.#constant(BigInt64Array.from(values, BigInt), [values.length], 'I64');
  }

  /** An initialiser whose bytes stay in another file. Naming the same one twice gives the same value. */
  external(name: string, shape: readonly number[], type: ElementType, data: ExternalData): Value {
    this.#initialisers.set(name, (writer) => {
      for (const extent of shape) writer.integer(1, extent);
      writer.integer(2, ELEMENT_TYPE[type]).string(8, name);
      for (const [key, value] of Object.entries(data)) {
        writer.message(13, (entry) => entry.string(1, key).string(2, String(value)));
      }
      writer.integer(14, 1);
    });
    return { name };
  }

  /** The ONNX ModelProto. */
  toBytes(): Uint8Array {
    const model = new ProtoWriter();
    model.integer(1, IR_VERSION).string(2, 'myelin');
    model.message(7, (graph) => {
      for (const write of this.#nodes) graph.message(1, write);
      graph.string(2, this.name);
      for (const write of this.#initialisers.values()) graph.message(5, write);
      for (const write of this.#inputs) graph.message(11, write);
      for (const write of this.#outputs) graph.message(12, write);
    });
    model.message(8, (opset) => opset.string(1, '').integer(2, OPSET));
    model.message(8, (opset) => opset.string(1, 'com.microsoft').integer(2, 1));
    return model.finish();
  }

  #constant(values: Float32Array | BigInt64Array, shape: readonly number[], type: ElementType): Value {
    const name = `constant_${this.#counter++}`;
    this.#initialisers.set(name, (writer) => {
      for (const extent of shape) writer.integer(1, extent);
      writer.integer(2, ELEMENT_TYPE[type]).string(8, name);
      writer.bytes(9, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    });
    return { name };
  }

  #addNode(
    operator: string,
    inputs: readonly (Value | undefined)[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    domain: string,
  ): void {
    const name = `${operator}_node_${this.#counter++}`;
    this.#nodes.push((writer) => {
      for (const input of inputs) writer.string(1, input?.name ?? '');
      for (const output of outputs) writer.string(2, output);
      writer.string(3, name).string(4, operator);
      for (const [key, value] of Object.entries(attributes)) {
        writer.message(5, (attribute) => writeAttribute(attribute, key, value));
      }
      if (domain !== '') writer.string(7, domain);
    });
  }
}

function writeAttribute(writer: ProtoWriter, name: string, value: Attribute): void {
  writer.string(1, name);
  if (typeof value === 'number') writer.float(2, value).integer(20, ATTRIBUTE_FLOAT);
  else if (typeof value === 'string') writer.string(4, value).integer(20, ATTRIBUTE_STRING);
  else if ('int' in value) writer.signed(3, value.int).integer(20, ATTRIBUTE_INT);
  else {
    for (const entry of value.ints) writer.signed(8, entry);
    writer.integer(20, ATTRIBUTE_INTS);
  }
}

function valueInfo(writer: ProtoWriter, name: string, shape: readonly Extent[], type: ElementType): void {
  writer.string(1, name).message(2, (typeProto) =>
    typeProto.message(1, (tensor) =>
      tensor.integer(1, ELEMENT_TYPE[type]).message(2, (shapeProto) => {
        for (const extent of shape) {
          shapeProto.message(1, (dimension) =>
            typeof extent === 'number' ? dimension.integer(1, extent) : dimension.string(2, extent),
          );
        }
      }),
    ),
  );
}
