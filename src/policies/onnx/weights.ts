import { basename } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { TENSOR_BYTES, type TensorEntry, type TensorFile } from '../safetensors.ts';
import type { Graph, Value } from './graph.ts';

/** Answers where a tensor lies. Throwing for an absent one, or noting it down, is the source's business. */
export interface TensorSource {
  /** File name of the weights, relative to the folder the model runtime is told. */
  readonly location: string;
  find(name: string, shape: readonly number[]): TensorEntry;
}

/**
 * The tensors of a file, each checked against the shape the model expects.
 * Afterwards `used` tells which of them the model took.
 */
export class FileTensors implements TensorSource {
  readonly location: string;
  readonly used = new Set<string>();
  readonly #file: TensorFile;

  constructor(file: TensorFile) {
    this.#file = file;
    this.location = basename(file.path);
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
}

/** Notes every tensor a model asks for and gives none: to learn what a configuration needs. */
export class TensorInventory implements TensorSource {
  readonly location = 'inventory';
  readonly shapes = new Map<string, readonly number[]>();

  find(name: string, shape: readonly number[]): TensorEntry {
    this.shapes.set(name, shape);
    return { name, shape, type: 'F32', begin: 0, end: 4 * shape.reduce((product, n) => product * n, 1) };
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
    const full = `${this.#prefix}${name}`;
    const tensor = this.#source.find(full, shape);
    const rowBytes = shape.slice(1).reduce((product, n) => product * n, TENSOR_BYTES[tensor.type]);
    const value = this.graph.external(
      `${full}[${first}:${first + count}]`,
      [count, ...shape.slice(1)],
      tensor.type,
      {
        location: this.#source.location,
        offset: tensor.begin + first * rowBytes,
        length: count * rowBytes,
      },
    );
    if (tensor.type === 'F32') return value;
    return this.graph.node('Cast', [value], { to: { int: 1 } });
  }
}
