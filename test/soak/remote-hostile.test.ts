import { describe, expect, it } from 'vitest';
import { startGatewayProcess } from '../support/gateway-run.ts';
import { hostileRemoteRun, memoryMiB } from '../support/remote-hostile-run.ts';

const MESSAGES = Number(process.env.HOSTILE_MESSAGES ?? 100_000);
const ROUNDS = 10;

describe('a hundred thousand malformed messages of remote control over each protocol', () => {
  it('are each answered, and the memory stays flat', async () => {
    const running = await startGatewayProcess();
    const memory: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await hostileRemoteRun(running, MESSAGES / ROUNDS, round);
      memory.push(Math.round(memoryMiB(running.gateway.pid)));
      console.log(`round ${round + 1} of ${ROUNDS}: ${memory.at(-1)} MiB`);
    }
    // What is built once is there after the first rounds.
    expect((memory.at(-1) ?? 0) - (memory[2] ?? 0)).toBeLessThan(60);
  });
});
