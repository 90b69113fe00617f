import * as nodeModule from 'node:module';
import { initialize, resolve } from './javascript-imports.ts';

/** Newer Nodes run hooks on the main thread, which needs no thread of its own. */
type MainThreadHooks = { registerHooks?: (hooks: { resolve: typeof resolve }) => void };

/** What `import … from 'myelin/arm'` finds, whatever folder the project lies in. */
const GIVEN = { 'myelin/arm': new URL('../../arm/index.js', import.meta.url).href };

/** Makes the modules of Myelin known to `import`. */
export function giveModules(): void {
  const { registerHooks } = nodeModule as MainThreadHooks;
  if (registerHooks === undefined) {
    nodeModule.register('./javascript-imports.js', import.meta.url, { data: GIVEN });
    return;
  }
  initialize(GIVEN);
  registerHooks({ resolve });
}
