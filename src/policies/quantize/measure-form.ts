import { fork } from 'node:child_process';
import { MyelinError } from '../../core/errors.ts';
import { distEntry } from '../../platform/entry.ts';
import type { MeasureAnswer, MeasuredForm, MeasureRequest } from './measure-protocol.ts';

/**
 * Measures one form of a checkpoint's weights in a process of its own.
 * @throws MyelinError as `openPolicy` does, MODEL_FAILED when the process ends early
 */
export async function measureForm(
  request: MeasureRequest,
  onNote?: (sentence: string) => void,
): Promise<MeasuredForm> {
  const child = fork(distEntry('policies/quantize/measure-process.js'), { serialization: 'advanced' });
  try {
    return await new Promise<MeasuredForm>((resolve, reject) => {
      child.on('message', (answer: MeasureAnswer) => {
        if (answer.kind === 'note') onNote?.(answer.sentence);
        else if (answer.kind === 'measured') resolve(answer.form);
        else reject(new MyelinError(answer.code, answer.parameters));
      });
      child.once('error', reject);
      child.once('exit', (code, signal) =>
        reject(
          new MyelinError('MODEL_FAILED', {
            action: 'be measured',
            reason: `its process ended (${signal ?? `code ${code}`})`,
          }),
        ),
      );
      child.send(request);
    });
  } finally {
    child.kill();
  }
}
