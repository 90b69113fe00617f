import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { policyServerCommand } from './policy-server.ts';
import { robotClientCommand } from './robot-client.ts';

/** The options as the command sees them; it is not run. */
async function optionsOf(command: Command, ...args: string[]): Promise<unknown> {
  let seen: unknown;
  command.exitOverride().action((options: unknown) => {
    seen = options;
  });
  await command.parseAsync(args, { from: 'user' });
  return seen;
}

async function complaint(command: Command, ...args: string[]): Promise<string> {
  let said = '';
  command.configureOutput({
    writeErr: (text) => {
      said += text;
    },
  });
  await optionsOf(command, ...args).catch(() => undefined);
  return said;
}

describe("LeRobot's spelling", () => {
  it('works for every option of its robot client that there is', async () => {
    const args = [
      '--server_address=gpu:8080',
      '--policy_type=smolvla',
      '--pretrained_name_or_path=/models/fold',
      '--policy_device=cuda',
      '--actions_per_chunk=20',
      '--chunk_size_threshold=0.3',
      '--aggregate_fn_name=average',
      '--fps=20',
      '--task=fold the towel',
      '--debug_visualize_queue_size=True',
    ];
    expect(await optionsOf(robotClientCommand(), ...args)).toMatchObject({
      serverAddress: 'gpu:8080',
      policyType: 'smolvla',
      pretrainedNameOrPath: '/models/fold',
      policyDevice: 'cuda',
      actionsPerChunk: 20,
      chunkSizeThreshold: 0.3,
      aggregateFnName: 'average',
      fps: 20,
      task: 'fold the towel',
      debugVisualizeQueueSize: true,
    });
  });

  it('works for every option of its policy server', async () => {
    const args = [
      '--host=localhost',
      '--port=8081',
      '--fps=20',
      '--inference_latency=0.033',
      '--obs_queue_timeout=1',
    ];
    expect(await optionsOf(policyServerCommand(), ...args)).toMatchObject({
      host: 'localhost',
      port: 8081,
      fps: 20,
      inferenceLatency: 0.033,
      obsQueueTimeout: 1,
    });
  });

  it('keeps defaults, and what is given several times in either spelling', async () => {
    const args = ['--camera-id', 'front=0', '--camera_id', 'wrist=2'];
    expect(await optionsOf(robotClientCommand(), ...args)).toMatchObject({
      cameraId: ['front=0', 'wrist=2'],
      serverAddress: 'localhost:8080',
      actionsPerChunk: 50,
    });
  });

  it('is checked as the other one is', async () => {
    expect(await complaint(robotClientCommand(), '--aggregate_fn_name=max')).toContain('weighted_average');
    expect(await complaint(robotClientCommand(), '--chunk_size_threshold=2')).toContain('from 0 to 1');
    for (const address of ['http://gpu:8080', 'nats://gpu', 'gpu:0', 'two words'])
      expect(await complaint(robotClientCommand(), `--server_address=${address}`)).toContain('HOST:PORT');
  });

  it.each([
    ['--robot.type=so101_follower', 'myelin control'],
    ['--client_device=cuda', 'Leave --client_device out'],
  ])('has options that mean nothing here, which is said with what to do: %s', async (option, advice) => {
    expect(await complaint(robotClientCommand(), option)).toContain(advice);
  });

  it('knows cameras by name, and refuses a number that has none before it waits for an arm', async () => {
    const command = robotClientCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => undefined });
    const args = ['--pretrained_name_or_path=/models/fold', '--camera-id', '2'];
    await expect(command.parseAsync(args, { from: 'user' })).rejects.toThrow('give --camera-id NAME=2');
  });
});
