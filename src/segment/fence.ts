const scratch = new Int32Array(1);

/**
 * A full memory barrier: nothing before it is seen after anything behind it, plain reads and writes included.
 * A lone `Atomics.load` or `Atomics.store` orders plain accesses on one side only on arm64; a sequentially
 * consistent store followed by such a load orders both sides there, and on x64 the store alone does.
 */
export function fence(): void {
  Atomics.store(scratch, 0, 0);
  Atomics.load(scratch, 0);
}
