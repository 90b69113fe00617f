import { describeFailure } from './javascript-failure.ts';

type Callable = (...args: unknown[]) => unknown;

/** There is no such object, method or function. */
export class NotOffered extends Error {
  readonly what: string;
  readonly known: string;

  constructor(what: string, names: readonly string[], none: string) {
    super(what);
    this.what = what;
    this.known = names.join(', ') || none;
  }
}

const isFunction = (value: unknown): value is Callable =>
  typeof value === 'function' && !/^class\b/.test(Function.prototype.toString.call(value));

const isPublic = (name: string): boolean => !name.startsWith('_') && name !== 'constructor';

/** Names of the methods of an object and of its classes, up to `Object`. */
export function methodsOf(value: object): string[] {
  const names = new Set<string>();
  let owner: object | null = value;
  while (owner !== null && owner !== Object.prototype) {
    for (const [name, { value: member }] of Object.entries(Object.getOwnPropertyDescriptors(owner))) {
      if (isPublic(name) && isFunction(member)) names.add(name);
    }
    owner = Object.getPrototypeOf(owner) as object | null;
  }
  return [...names].sort();
}

/** What an ES module offers: exported instances are objects, exported functions are called with no object. */
export class JavaScriptProject {
  readonly #folder: string;
  #exports: Readonly<Record<string, unknown>> = {};

  constructor(folder: string) {
    this.#folder = folder;
  }

  async load(url: string): Promise<void> {
    this.#exports = { ...((await import(url)) as Record<string, unknown>) };
  }

  objects(): Record<string, string[]> {
    return Object.fromEntries(this.#instances().map(([name, value]) => [name, methodsOf(value)]));
  }

  functions(): string[] {
    return Object.keys(this.#exports).filter((name) => isPublic(name) && isFunction(this.#exports[name]));
  }

  /** JavaScript has no keywords: an object of arguments is handed over whole, an empty one not at all. */
  async call(
    object: string | undefined,
    method: string,
    args: readonly unknown[] | Readonly<Record<string, unknown>>,
  ): Promise<unknown> {
    const list = Array.isArray(args) ? (args as unknown[]) : Object.keys(args).length === 0 ? [] : [args];
    if (object === undefined || object === '') {
      const target = this.#exports[method];
      if (!isPublic(method) || !isFunction(target)) {
        throw new NotOffered(`function ${method}`, this.functions(), 'no functions');
      }
      return await target(...list);
    }
    const owner = this.#instances().find(([name]) => name === object)?.[1];
    if (owner === undefined)
      throw new NotOffered(`object ${object}`, Object.keys(this.objects()), 'no objects');
    const target = (owner as Record<string, unknown>)[method];
    if (!methodsOf(owner).includes(method) || !isFunction(target)) {
      throw new NotOffered(`method ${object}.${method}`, methodsOf(owner), 'no methods');
    }
    return await target.apply(owner, list);
  }

  /** Calls stop() of every object that has one, else of the module. */
  async stop(): Promise<{ called: string[]; failed: object[] }> {
    const found = this.#instances()
      .filter(([, value]) => methodsOf(value).includes('stop'))
      .map(([name]) => ({ name: `${name}.stop`, run: () => this.call(name, 'stop', []) }));
    if (found.length === 0 && isFunction(this.#exports.stop)) {
      found.push({ name: 'stop', run: () => this.call(undefined, 'stop', []) });
    }
    const failed: object[] = [];
    for (const { name, run } of found) {
      try {
        await run();
      } catch (thrown) {
        failed.push({ ...describeFailure(thrown, this.#folder), name });
      }
    }
    return { called: found.map(({ name }) => name), failed };
  }

  /** `default` counts under that name. Arrays, dates and the like are values. */
  #instances(): [string, object][] {
    return Object.entries(this.#exports).filter((pair): pair is [string, object] => {
      const [name, value] = pair;
      return isPublic(name) && typeof value === 'object' && value !== null && methodsOf(value).length > 0
        ? !Array.isArray(value) && !ArrayBuffer.isView(value) && !(value instanceof Date)
        : false;
    });
  }
}
