import { type AllowList, type Builder, GlobalName, PickleRefusal } from './allow-list.ts';
import type { ByteCursor } from './byte-cursor.ts';
import { Census } from './census.ts';

export type PersistentLoad = (id: unknown) => unknown;

export interface MachineSettings {
  readonly allow: AllowList;
  readonly depth: number;
  readonly elements: number;
  readonly memo: number;
  readonly persistentLoad?: PersistentLoad | undefined;
}

/** The unpickler's registers: stack, marks and memo, and what instructions do with them. */
export class Machine {
  readonly input: ByteCursor;
  readonly #settings: MachineSettings;
  readonly #census: Census;
  readonly #stack: unknown[] = [];
  /** Heights of the stack at its marks. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();
  /** What made each object, for the state that may follow. */
  readonly #makers = new WeakMap<object, GlobalName>();

  constructor(input: ByteCursor, settings: MachineSettings) {
    this.input = input;
    this.#settings = settings;
    this.#census = new Census(settings.depth, settings.elements);
  }

  push(value: unknown): void {
    this.#stack.push(value);
  }

  pop(): unknown {
    this.#needAboveMark();
    return this.#stack.pop();
  }

  top(): unknown {
    this.#needAboveMark();
    return this.#stack.at(-1);
  }

  /** The topmost `count` values, taken off, in the order they were put on. */
  popMany(count: number): unknown[] {
    if (this.#stack.length - (this.#marks.at(-1) ?? 0) < count) throw new PickleRefusal('the stack is empty');
    return this.#stack.splice(this.#stack.length - count);
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** Everything above the newest mark, taken off together with it. */
  popToMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw new PickleRefusal('there is no mark');
    return this.#stack.splice(mark);
  }

  /** Drops the topmost value, or the topmost mark when nothing lies above it. */
  drop(): void {
    if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
    else this.pop();
  }

  /** The result. @throws PickleRefusal unless it is all there is */
  result(): unknown {
    const value = this.pop();
    if (this.#stack.length > 0 || this.#marks.length > 0)
      throw new PickleRefusal(`${this.#stack.length} values are left over`);
    return value;
  }

  memoize(index: number): void {
    if (!this.#memo.has(index) && this.#memo.size >= this.#settings.memo)
      throw new PickleRefusal(`the memo holds more than ${this.#settings.memo} values`);
    this.#memo.set(index, this.top());
  }

  memoizeNext(): void {
    this.memoize(this.#memo.size);
  }

  recall(index: number): void {
    if (!this.#memo.has(index)) throw new PickleRefusal(`the memo has no value ${index}`);
    this.push(this.#memo.get(index));
  }

  /** A list or a tuple. */
  pushArray(items: readonly unknown[]): void {
    this.#census.put(items, items);
    this.push(items);
  }

  pushDict(items: readonly unknown[]): void {
    const dict = new Map<unknown, unknown>();
    this.#census.put(dict, []);
    this.push(dict);
    this.setItems(items);
  }

  pushSet(items: readonly unknown[]): void {
    const set = new Set<unknown>();
    this.#census.put(set, []);
    this.push(set);
    this.addItems(items);
  }

  /** Into the list on top. */
  append(items: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw new PickleRefusal('it appends to what is not a list');
    this.#census.put(list, items);
    for (const item of items) list.push(item);
  }

  /** Into the dictionary on top: key, value, key, value. */
  setItems(items: readonly unknown[]): void {
    const dict = this.top();
    if (!(dict instanceof Map)) throw new PickleRefusal('it sets items of what is not a dictionary');
    if (items.length % 2 !== 0) throw new PickleRefusal('a key has no value');
    this.#census.put(dict, items);
    for (let i = 0; i < items.length; i += 2) dict.set(hashable(items[i]), items[i + 1]);
  }

  /** Into the set on top. */
  addItems(items: readonly unknown[]): void {
    const set = this.top();
    if (!(set instanceof Set)) throw new PickleRefusal('it adds to what is not a set');
    this.#census.put(set, items);
    for (const item of items) set.add(hashable(item));
  }

  /** A name of the allow-list; every other one ends the work here. Nothing is looked up anywhere else. */
  global(module: unknown, name: unknown): GlobalName {
    if (typeof module !== 'string' || typeof name !== 'string')
      throw new PickleRefusal('a name is not a text');
    const full = `${module}.${name}`;
    const builder: Builder | undefined = this.#settings.allow.get(full);
    if (builder === undefined) throw new PickleRefusal(`the name ${full} is not allowed`, full);
    return new GlobalName(full, builder);
  }

  /** What our builder for the name gives; no code of the name's own exists here. */
  make(target: unknown, args: unknown): void {
    if (!(target instanceof GlobalName)) throw new PickleRefusal('it calls what is not a name');
    if (!Array.isArray(args)) throw new PickleRefusal(`the arguments of ${target.name} are not a tuple`);
    if (target.builder.make === undefined)
      throw new PickleRefusal(`${target.name} may not be called`, target.name);
    const made = target.builder.make(args);
    if (typeof made === 'object' && made !== null && !this.#makers.has(made)) {
      this.#census.put(made, args);
      this.#makers.set(made, target);
    }
    this.push(made);
  }

  /** State for the object on top. */
  build(state: unknown): void {
    const made = this.top();
    const maker = typeof made === 'object' && made !== null ? this.#makers.get(made) : undefined;
    if (maker === undefined) throw new PickleRefusal('it gives state to what was not made here');
    if (maker.builder.fill === undefined) throw new PickleRefusal(`${maker.name} takes no state`, maker.name);
    this.#census.put(made as object, [state]);
    maker.builder.fill(made, state);
  }

  persistent(id: unknown): void {
    const load = this.#settings.persistentLoad;
    if (load === undefined) throw new PickleRefusal('nothing outside the pickle may be referred to');
    this.push(load(id));
  }

  #needAboveMark(): void {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw new PickleRefusal('the stack is empty');
  }
}

function hashable(key: unknown): unknown {
  if (typeof key === 'object' && key !== null && !Array.isArray(key))
    throw new PickleRefusal('a key is neither a text, a number nor a tuple');
  return key;
}
