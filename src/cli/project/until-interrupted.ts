/** Resolves at the first Ctrl-C, or when asked to end. The process does not end by itself then. */
export function untilInterrupted(): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      for (const signal of SIGNALS) process.off(signal, end);
      done();
    };
    for (const signal of SIGNALS) process.once(signal, end);
  });
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
