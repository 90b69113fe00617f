/**
 * What a name in a pickle stands for here. Python would import and call the name; nothing of the kind happens: the
 * functions below are ours, and they only make data.
 */
export interface Builder {
  /**
   * Data for a call with these arguments (opcodes REDUCE, NEWOBJ, OBJ, INST). Absent for names that may be mentioned
   * but not called. Throws {@link PickleRefusal} for arguments it has no use for.
   */
  readonly make?: (args: readonly unknown[]) => unknown;
  /** Puts pickled state into what `make` gave (opcode BUILD). Absent when no state is expected. */
  readonly fill?: (made: unknown, state: unknown) => void;
}

/** Python names, `module.name`, that a pickle may mention. All others are refused. */
export type AllowList = ReadonlyMap<string, Builder>;

export interface PickleLimits {
  /** Bytes of the whole pickle. Default 64 MiB. */
  readonly bytes?: number;
  /** Containers inside one another. Default 64. */
  readonly depth?: number;
  /** Elements of the result when everything that is shared is written out. Default 1 000 000. */
  readonly elements?: number;
  /** Opcodes run. Default 4 000 000. */
  readonly operations?: number;
  /** Entries of the memo. Default 1 000 000. */
  readonly memo?: number;
}

export const DEFAULT_LIMITS: Required<PickleLimits> = {
  bytes: 64 * 2 ** 20,
  depth: 64,
  elements: 1_000_000,
  operations: 4_000_000,
  memo: 1_000_000,
};

/** Why a pickle is not taken, in words; the machine adds the opcode and the offset. */
export class PickleRefusal extends Error {
  /** The name asked for, when that is the reason. */
  readonly forbidden: string | undefined;

  constructor(detail: string, forbidden?: string) {
    super(detail);
    this.name = 'PickleRefusal';
    this.forbidden = forbidden;
  }
}

/** A name of the allow-list on its own: a class or function that was mentioned and not (yet) called. */
export class GlobalName {
  readonly name: string;
  readonly builder: Builder;

  constructor(name: string, builder: Builder) {
    this.name = name;
    this.builder = builder;
  }
}
