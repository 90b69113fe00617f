declare module 'bufferutil' {
  const bufferUtil: {
    /** Writes `length` bytes of `source`, masked, into `output` from `offset` on. */
    mask(source: Uint8Array, mask: Uint8Array, output: Uint8Array, offset: number, length: number): void;
  };
  export default bufferUtil;
}
