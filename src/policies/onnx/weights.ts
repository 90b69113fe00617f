import { parse, relative } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import type { QuantizedFormat } from '../quantize/format.ts';
import { type QuantizedMatrix, TENSOR_BYTES, type TensorEntry, type TensorFile } from '../safetensors.ts';
import type { Graph, Value } from './graph.ts';

/** Answers where a tensor lies. Throwing for an absent one, or noting it down, is the source's business. */
export interface TensorSource {
  find(name: string, shape: readonly number[]): TensorEntry;
  /** A matrix [outputs, inputs] that activations are multiplied by, if there is a quantised form of it. */
  quantized?(name: string, shape: readonly number[]): QuantizedMatrix | undefined;
}

/**
 * The tensors of a file, each checked against the shape the model expects.
 * Afterwards `used` tells which of them the model took.
 */
export class FileTensors implements TensorSource {
  readonly used = new Set<string>();
  readonly #file: TensorFile;

  constructor(file: TensorFile) {
    this.#file = file;
  }

  /** @throws MyelinError TENSOR_INVALID when it is absent or has another shape */
  find(name: string, shape: readonly number[]): TensorEntry {
    const tensor = this.#file.tensors.get(name);
    const wrong = (detail: string) =>
      new MyelinError('TENSOR_INVALID', { file: this.#file.path, tensor: name, detail });
    if (tensor === undefined) throw wrong(`it is missing (expected [${shape.join(', ')}])`);
    if (tensor.shape.join() !== shape.join()) {
      throw wrong(`expected [${shape.join(', ')}], found [${tensor.shape.join(', ')}]`);
    }
    this.used.add(name);
    return tensor;
  }

  /** @throws MyelinError TENSOR_INVALID when what it was made of is absent or has another shape */
  quantized(name: string, shape: readonly number[]): QuantizedMatrix | undefined {
    const matrix = this.#file.quantized?.get(name);
    if (matrix !== undefined) this.find(name, shape);
    return matrix;
  }
}

/** Notes every tensor a model asks for and gives none: to learn what a configuration needs. */
export class TensorInventory implements TensorSource {
  readonly shapes = new Map<string, readonly number[]>();
  /** Those of them that activations are multiplied by. */
  readonly matrices = new Map<string, readonly number[]>();

  find(name: string, shape: readonly number[]): TensorEntry {
    this.shapes.set(name, shape);
    return {
      name,
      path: 'inventory',
      shape,
      type: 'F32',
      begin: 0,
      end: 4 * shape.reduce((product, n) => product * n, 1),
    };
  }

  quantized(name: string, shape: readonly number[]): undefined {
    this.matrices.set(name, shape);
  }
}

/** A model's view of its tensors under a common prefix, placed into one graph as it asks for them. */
export class Weights {
  readonly graph: Graph;
  readonly #source: TensorSource;
  readonly #prefix: string;

  constructor(graph: Graph, source: TensorSource, prefix = '') {
    this.graph = graph;
    this.#source = source;
    this.#prefix = prefix;
  }

  /** The weights of a part: `weights.part('encoder.layers.0')`. */
  part(name: string): Weights {
    return new Weights(this.graph, this.#source, `${this.#prefix}${name}.`);
  }

  /** A whole tensor, in float32 whatever it is stored in. */
  tensor(name: string, shape: readonly number[]): Value {
    return this.rows(name, shape, 0, shape[0] ?? 1);
  }

  /** `count` rows of a tensor from row `first` on: no copy, only another place in the file. */
  rows(name: string, shape: readonly number[], first: number, count: number): Value {
    const tensor = this.#source.find(`${this.#prefix}${name}`, shape);
    const value = this.#place(tensor, shape, first, count);
    return tensor.type === 'F32' ? value : this.graph.node('Cast', [value], { to: { int: 1 } });
  }

  /** Rows of a table by their numbers [n], which come when the graph runs; only those are read and widened. */
  lookup(name: string, shape: readonly number[], numbers: Value): Value {
    const tensor = this.#source.find(`${this.#prefix}${name}`, shape);
    const table = this.#place(tensor, shape, 0, shape[0] ?? 1);
    const found = this.graph.node('Gather', [table, numbers], { axis: { int: 0 } });
    return tensor.type === 'F32' ? found : this.graph.node('Cast', [found], { to: { int: 1 } });
  }

  /** The same rows of a matrix [outputs, inputs] in whole numbers; undefined when it is not quantised. */
  quantizedRows(
    name: string,
    shape: readonly number[],
    first: number,
    count: number,
  ): { readonly format: QuantizedFormat; readonly values: Value; readonly scales: Value } | undefined {
    const matrix = this.#source.quantized?.(`${this.#prefix}${name}`, shape);
    if (matrix === undefined) return undefined;
    const { format, values, scales } = matrix;
    return {
      format,
      values: this.#place(values, values.shape, first, count),
      scales: this.#place(scales, scales.shape, first, count),
    };
  }

  #place(tensor: TensorEntry, shape: readonly number[], first: number, count: number): Value {
    const rowBytes = shape.slice(1).reduce((product, n) => product * n, TENSOR_BYTES[tensor.type]);
    return this.graph.external(
      `${tensor.name}[${first}:${first + count}]`,
      [count, ...shape.slice(1)],
      tensor.type,
      {
        // From the root of the file system: a model's files may lie in several folders.
        location: relative(parse(tensor.path).root, tensor.path),
        offset: tensor.begin + first * rowBytes,
        length: count * rowBytes,
      },
    );
  }
}
