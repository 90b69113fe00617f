/** Objects of a project and their methods, as the caller describes them: `{ greeter: { hello(a: {name: string}): Hi } }`. */
export type RemoteObjects<T> = {
  readonly [O in keyof T]: {
    readonly [M in keyof T[O]]: T[O][M] extends (...args: infer A) => infer R
      ? (...args: A) => Promise<Awaited<R>>
      : never;
  };
};

export type CallArguments = Readonly<Record<string, unknown>> | readonly unknown[];

/** One plain object is keywords; anything else is a list of positions. */
export function argumentsOf(args: readonly unknown[]): CallArguments {
  const [only] = args;
  if (args.length !== 1 || only === null || typeof only !== 'object') return args;
  const prototype: unknown = Object.getPrototypeOf(only);
  const plain = prototype === Object.prototype || prototype === null;
  return plain ? (only as Record<string, unknown>) : args;
}

/** Names that ask what a value is, and are no methods. Without this, `await objects.x` would call `x.then()`. */
const NO_METHOD = new Set(['then', 'catch', 'finally', 'toJSON', 'constructor']);

/** Objects whose every method is a call. */
export function remoteObjects<T>(
  call: (object: string, method: string, args: CallArguments) => Promise<unknown>,
): RemoteObjects<T> {
  const property = <V>(make: (name: string) => V) =>
    new Proxy({} as Record<string, V>, {
      get: (_, name) => (typeof name === 'symbol' || NO_METHOD.has(name) ? undefined : make(name)),
    });
  const objects = property((object) =>
    property(
      (method) =>
        (...args: unknown[]) =>
          call(object, method, argumentsOf(args)),
    ),
  );
  return objects as unknown as RemoteObjects<T>;
}
