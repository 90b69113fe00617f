import { describe, expect, it } from 'vitest';
import { exitReason } from './exit-reason.ts';

describe('exitReason', () => {
  it('names the limit before anything else', () => {
    expect(exitReason({ code: null, signal: 'SIGKILL', limit: 'the memory limit of 512 MiB' })).toBe(
      'killed by the memory limit of 512 MiB',
    );
  });

  it('says what a signal means, also when the sandbox tells it as an exit code', () => {
    const text = 'killed by SIGSEGV (it used memory that is not its own)';
    expect(exitReason({ code: null, signal: 'SIGSEGV' })).toBe(text);
    expect(exitReason({ code: 139, signal: null })).toBe(text);
  });

  it('tells the code of a project that left by itself', () => {
    expect(exitReason({ code: 3, signal: null })).toBe('exited with code 3');
    expect(exitReason({ code: 255, signal: null })).toBe('exited with code 255');
  });
});
