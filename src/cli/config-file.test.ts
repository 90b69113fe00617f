import { Command, InvalidArgumentError } from 'commander';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MyelinError } from '../core/errors.ts';
import { addConfigFlag, applyConfig, parseConfig } from './config-file.ts';
import { whole } from './option-values.ts';
import { policyServerCommand } from './policy-server.ts';
import { robotClientCommand } from './robot-client.ts';
import type { RobotClientOptions } from './robot-client-run.ts';
import { rtcOptions } from './rtc-flags.ts';

const set = (command: Command, text: string) => {
  applyConfig(command, parseConfig(text, 'arm.yaml'), 'arm.yaml');
  return command.opts();
};

const complaint = (command: Command, text: string): string => {
  try {
    set(command, text);
  } catch (error) {
    if (error instanceof MyelinError && error.code === 'CONFIG_INVALID') return error.message;
    throw error;
  }
  throw new Error('nothing was wrong');
};

describe('a configuration file', () => {
  it('sets options by their names, with dashes or underscores', () => {
    const options = set(
      robotClientCommand(),
      'server_address: gpu:8080\nactions-per-chunk: 30\nchunk_size_threshold: 0.7\naggregate_fn_name: conservative\n',
    );
    expect(options).toMatchObject({
      serverAddress: 'gpu:8080',
      actionsPerChunk: 30,
      chunkSizeThreshold: 0.7,
      aggregateFnName: 'conservative',
    });
  });

  it('reads switches, their opposites, and options with a value that may be left out', () => {
    expect(set(robotClientCommand(), 'display: false\ntls: True')).toMatchObject({
      display: false,
      tls: true,
    });
    expect(set(policyServerCommand(), 'lerobot: false\nany_name: true')).toMatchObject({
      lerobot: false,
      anyName: true,
    });
    expect(set(robotClientCommand(), 'debug_visualize_queue_size: true').debugVisualizeQueueSize).toBe(true);
    expect(set(robotClientCommand(), 'debug_visualize_queue_size: q.svg').debugVisualizeQueueSize).toBe(
      'q.svg',
    );
    expect(set(robotClientCommand(), 'debug_visualize_queue_size: False').debugVisualizeQueueSize).toBe(
      false,
    );
    expect(rtcOptions(set(robotClientCommand(), 'rtc: false'))).toBeUndefined();
    expect(rtcOptions(set(robotClientCommand(), 'rtc: guided'))).toEqual({ mode: 'guided' });
  });

  it('reads lists and maps for options that may be given several times, and for no others', () => {
    expect(set(robotClientCommand(), 'camera_id: {front: 2, wrist: 4}').cameraId).toEqual([
      'front=2',
      'wrist=4',
    ]);
    expect(set(robotClientCommand(), 'camera_id: [front, side=6]').cameraId).toEqual(['front', 'side=6']);
    const renamed: keyof RobotClientOptions = 'rename';
    expect(set(robotClientCommand(), 'rename: {front: top}')[renamed]).toEqual(
      new Map([['observation.images.front', 'observation.images.top']]),
    );
    expect(set(policyServerCommand(), 'camera: {cam_high: top}').camera).toEqual({ cam_high: 'top' });
    expect(complaint(robotClientCommand(), 'fps: [30, 60]')).toContain(
      'fps is ["30","60"], but must be one value',
    );
  });

  it('leaves text as it stands: a token of digits, a task that reads like a switch', () => {
    expect(set(robotClientCommand(), 'token: 0012345678\ntask: yes')).toMatchObject({
      token: '0012345678',
      task: 'yes',
    });
  });

  it('gives way to the command line', async () => {
    const command = addConfigFlag(new Command('x').option('--port <n>', '', whole(0, 9), 1));
    let seen: unknown;
    command.action((options) => {
      seen = options;
    });
    command.parseOptions(['--port', '7']);
    expect(set(command, 'port: 3')).toMatchObject({ port: 7 });
    await command.exitOverride().parseAsync(['--port', '5'], { from: 'user' });
    expect(seen).toMatchObject({ port: 5 });
  });

  it('names key, value and what is allowed when a value is wrong', () => {
    expect(complaint(policyServerCommand(), 'fps: fast')).toBe(
      'The configuration arm.yaml is not valid: fps is "fast", but must be a number from 0.1 to 1000',
    );
    expect(complaint(robotClientCommand(), 'aggregate_fn_name: mean')).toMatch(
      /aggregate_fn_name is "mean", but allowed choices are weighted_average, latest_only, average, conservative$/,
    );
    expect(complaint(robotClientCommand(), 'tls: maybe')).toContain(
      'tls is "maybe", but must be true or false',
    );
    expect(complaint(policyServerCommand(), 'port:')).toContain('port is "", but must not be empty');
  });

  it('names the keys there are when one is not known, and never itself', () => {
    const message = complaint(robotClientCommand(), 'action_per_chunk: 3');
    expect(message).toContain('there is no key "action_per_chunk"; the keys are server_address, ');
    expect(message).toContain('actions_per_chunk');
    expect(complaint(robotClientCommand(), 'config: other.yaml')).toContain('there is no key "config"');
  });

  it('repeats no secret', () => {
    const command = new Command('x').option('--token <text>', '', () => {
      throw new InvalidArgumentError('must be longer.');
    });
    expect(complaint(command, 'token: hunter2')).toContain('token is (hidden), but must be longer');
  });

  it('refuses what is not a list of keys, keys given twice, and broken YAML, with a word on what is wrong', () => {
    expect(complaint(robotClientCommand(), '- fps')).toContain('it must be a list of "key: value" lines');
    expect(complaint(robotClientCommand(), 'fps: 1\nfps: 2')).toContain('keys must be unique');
    expect(complaint(robotClientCommand(), 'fps: [1')).toContain('not valid');
    expect(complaint(robotClientCommand(), 'a: &a [1]\nb: *a')).toContain('not valid');
    expect(complaint(robotClientCommand(), 'task: !shell rm')).toContain('Unresolved tag: !shell');
    expect(set(robotClientCommand(), '# nothing yet\n')).toMatchObject({ fps: 30 });
  });

  it('either sets options or says what is wrong, whatever the text', () => {
    const line = fc.tuple(
      fc.constantFrom('fps', 'camera_id', 'display', 'rename', 'camera-size', 'nope', 'task', '__proto__'),
      fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom('true', '{a: b}', '[1, 2]', '', '~')),
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(line).map((lines) => lines.map(([key, value]) => `${key}: ${value}`).join('\n')),
    );
    fc.assert(
      fc.property(text, (yaml) => {
        try {
          set(robotClientCommand(), yaml);
        } catch (error) {
          expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
        }
      }),
    );
  });
});
