import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Right } from '../protocol/right.ts';
import { type Contender, OPERATOR_TIMEOUT_MS, OperatorLease } from './operator-lease.ts';

const contender = (id: string, right: Right = 'operate'): Contender => ({
  id,
  protocol: 'socket.io',
  identity: { name: `token ${id}`, right, tokenId: id, address: '10.0.0.1' },
});

function lease() {
  let nowMs = 0;
  const ended: string[] = [];
  let changes = 0;
  const made = new OperatorLease({
    nowMs: () => nowMs,
    unixS: () => 7,
    onEnd: (holder, why) => ended.push(`${holder.id} ${why}`),
    onChange: () => {
      changes += 1;
    },
  });
  return { lease: made, ended, changes: () => changes, wait: (ms: number) => (nowMs += ms) };
}

describe('the operator lease', () => {
  it('goes to the first who may operate; the next is told who holds it', () => {
    const { lease: it } = lease();
    expect(it.offer(contender('watcher', 'observe'))).toBe(false);
    expect(it.offer(contender('a'))).toBe(true);
    expect(it.offer(contender('a'))).toBe(true);
    expect(() => it.require(contender('b'))).toThrow(
      expect.objectContaining({
        code: 'OPERATOR_BUSY',
        message: expect.stringContaining('"token a" (socket.io from 10.0.0.1)'),
      }),
    );
  });

  it('is lost two seconds after the last sign of life, not before', () => {
    const { lease: it, ended, wait } = lease();
    it.offer(contender('a'));
    wait(OPERATOR_TIMEOUT_MS);
    it.heard('a');
    wait(OPERATOR_TIMEOUT_MS);
    it.heard('b');
    it.check();
    expect([it.holder?.id, ended]).toEqual(['a', []]);
    wait(1);
    it.check();
    expect([it.holder, ended]).toEqual([undefined, ['a lost']]);
    expect(OPERATOR_TIMEOUT_MS).toBeLessThan(2000);
  });

  it('is taken over by an admin only', () => {
    const { lease: it, ended } = lease();
    it.offer(contender('a'));
    expect(() => it.take(contender('b', 'deploy'))).toThrow(
      expect.objectContaining({ code: 'OPERATOR_BUSY' }),
    );
    it.take(contender('c', 'admin'));
    expect([it.holder?.id, ended]).toEqual(['c', ['a taken over']]);
  });

  it('lets a request without a connection through while free, for the same token, and for an admin', () => {
    const { lease: it } = lease();
    const other = contender('b').identity;
    it.requireFreeFor(other);
    it.offer(contender('a'));
    it.requireFreeFor(contender('a').identity);
    it.requireFreeFor(contender('c', 'admin').identity);
    expect(() => it.requireFreeFor(other)).toThrow(expect.objectContaining({ code: 'OPERATOR_BUSY' }));
  });

  it('never has two holders, and tells every end exactly once', () => {
    const action = fc.tuple(
      fc.constantFrom('offer', 'take', 'release', 'heard', 'wait', 'force'),
      fc.constantFrom('a', 'b', 'c'),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const { lease: it, ended, wait } = lease();
        let begun = 0;
        for (const [what, id] of actions) {
          const before = it.holder?.id;
          const who = contender(id, id === 'c' ? 'admin' : 'operate');
          if (what === 'offer') it.offer(who);
          if (what === 'take' && (before === undefined || id === 'c' || before === id)) it.take(who);
          if (what === 'release') it.release('released', id);
          if (what === 'force') it.release('released');
          if (what === 'heard') it.heard(id);
          if (what === 'wait') wait(1000);
          const after = it.holder?.id;
          if (after !== undefined && after !== before) begun += 1;
        }
        expect(ended.length).toBe(begun - (it.holder === undefined ? 0 : 1));
      }),
    );
  });
});
