/**
 * Import hooks of a project's process: the modules that Myelin gives to every project, by name. `initialize` and
 * `resolve` are called by Node, off the main thread where it has no other way.
 */
type Resolution = { readonly url: string; readonly shortCircuit?: boolean };
type Next = (specifier: string, context: object) => Resolution;

let given: Readonly<Record<string, string>> = {};

export function initialize(modules: Readonly<Record<string, string>>): void {
  given = modules;
}

export function resolve(specifier: string, context: object, next: Next): Resolution {
  const url = given[specifier];
  return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
}
