/**
 * JSON of what a project returns. Maps become objects, sets and typed arrays lists, bytes base64, big integers
 * numbers, NaN and infinities null, `undefined` null.
 * @throws TypeError for what JSON cannot carry, as the end of a sentence
 */
export function encodeValue(value: unknown): string {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new TypeError(`returned a ${typeof value}, which JSON cannot carry`);
  }
  try {
    return JSON.stringify(value, replace) ?? 'null';
  } catch (thrown) {
    if (thrown instanceof RangeError) throw new TypeError('returned a value nested too deeply');
    if (thrown instanceof TypeError && /circular/i.test(thrown.message)) {
      throw new TypeError('returned a value that contains itself');
    }
    throw thrown;
  }
}

// `this[key]` is the value before its toJSON, which turns a Buffer into an object.
function replace(this: unknown, key: string, changed: unknown): unknown {
  const value = (this as Record<string, unknown>)[key];
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof ArrayBuffer) return Buffer.from(value).toString('base64');
  if (value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  }
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return [...(value as Float64Array)];
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  return changed;
}
