import { describe, expect, it } from 'vitest';
import { sampleTelemetry } from '../../../src/remote/gateway/sample-telemetry.fixture.ts';
import { HISTORY_S, History } from './history.ts';

describe('the plots’ history', () => {
  it('gives seconds before now, oldest first, with the series beside them', () => {
    const history = new History();
    history.push(sampleTelemetry(), 1000);
    history.push(sampleTelemetry(), 2000);
    expect(history.read(['queueDepth', 'inferenceMs'], 3000)).toEqual([
      [-2, -1],
      [20, 20],
      [31, 31],
    ]);
  });

  it('leaves out what is older than the plot', () => {
    const history = new History();
    history.push(sampleTelemetry(), 0);
    history.push(sampleTelemetry(), 1000);
    expect(history.read(['queueDepth'], HISTORY_S * 1000 + 500)[1]).toEqual([20]);
  });

  it('has a gap while nobody commands the arm and while there is no connection', () => {
    const history = new History();
    history.push(sampleTelemetry(), 1000);
    history.push({ ...sampleTelemetry(), arm: null }, 2000);
    history.gap(3000);
    expect(history.read(['queueDepth'], 3000)[1]).toEqual([20, null, null]);
  });

  it('stays bounded', () => {
    const history = new History();
    for (let index = 0; index < 5000; index++) history.push(sampleTelemetry(), index);
    expect(history.read(['queueDepth'], 5000)[0]?.length).toBe(HISTORY_S * 30);
  });
});
