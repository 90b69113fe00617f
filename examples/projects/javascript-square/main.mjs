// Points along a square in the air with the wrist. Call it with: myelin project call robot.square '{"sideRad": 0.3}'
import { connect } from 'myelin/arm';

/** Seconds between rows, and rows a side. */
const PERIOD_S = 0.02;
const ROWS_A_SIDE = 25;

/** 0 to 1 and at rest at both ends: every corner is taken at rest, so the sides stay straight. */
const smooth = (s) => s ** 3 * (10 + s * (6 * s - 15));

class Robot {
  #arm;

  async square({ sideRad = 0.3 } = {}) {
    // The lease is taken with the first command and given back by close().
    this.#arm = await connect();
    try {
      const arm = this.#arm;
      await arm.start();
      const home = arm.limits.home.slice(0, 6);
      const corners = [
        [0, 0],
        [0, 1],
        [1, 1],
        [1, 0],
        [0, 0],
      ].map(([a, b]) => [...home.slice(0, 3), home[3] + a * sideRad, home[4] + b * sideRad, home[5]]);
      await arm.moveTo(corners[0], 1);
      const rows = corners.slice(1).flatMap((to, side) => {
        const from = corners[side];
        return Array.from({ length: ROWS_A_SIDE }, (_, k) => {
          const along = smooth((k + 1) / ROWS_A_SIDE);
          return from.map((q, joint) => q + along * (to[joint] - q));
        });
      });
      const seconds = (rows.length - 1) * PERIOD_S;
      await arm.wait(arm.sendChunk(rows, PERIOD_S), seconds);
      globalThis.pushMessage?.('drawn', { corners: 4, seconds });
      return { corners: 4, pose: arm.state.position };
    } finally {
      this.#arm.close();
      this.#arm = undefined;
    }
  }

  /** Called when the client goes, also while it draws: what it waits for ends with MOVE_INTERRUPTED. */
  async stop() {
    await this.#arm?.hold();
  }
}

export const robot = new Robot();
