import { describe, expect, it } from 'vitest';
import { realTimeSupport, rtcConfigSchema } from './rtc-config.ts';

const read = (config: unknown, trainedDelay = 0) =>
  realTimeSupport(rtcConfigSchema.parse(config), trainedDelay);

describe('rtc_config', () => {
  it('may be absent, null or partial: the rest is as upstream has it', () => {
    const usual = {
      mode: 'guided',
      trainedDelay: 0,
      executionHorizon: 10,
      schedule: 'linear',
      maxGuidance: 10,
    };
    expect(read(undefined)).toEqual(usual);
    expect(read(null)).toEqual(usual);
    expect(read({ enabled: true, debug: false, debug_maxlen: 100 })).toEqual(usual);
  });

  it('says schedule, horizon and guidance', () => {
    expect(
      read({ prefix_attention_schedule: 'EXP', max_guidance_weight: 5, execution_horizon: 20 }),
    ).toMatchObject({ schedule: 'exp', maxGuidance: 5, executionHorizon: 20 });
    expect(read({ prefix_attention_schedule: 'zeros' }).schedule).toBe('zeros');
  });

  it('continues the trained way where training did so, unless it says otherwise', () => {
    expect(read(null, 3)).toMatchObject({ mode: 'trained', trainedDelay: 3 });
    expect(read({ mode: 'guided' }, 3).mode).toBe('guided');
    expect(read({ mode: 'trained' }, 0).mode).toBe('guided');
  });

  it.each([
    { prefix_attention_schedule: 'SOMETIMES' },
    { max_guidance_weight: 0 },
    { execution_horizon: -1 },
    { mode: 'both' },
  ])('is refused when it makes no sense: %j', (config) => {
    expect(rtcConfigSchema.safeParse(config).success).toBe(false);
  });
});
