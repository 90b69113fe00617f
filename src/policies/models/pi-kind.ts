import { TensorInventory } from '../onnx/weights.ts';
import type { CheckpointFolder, ModelKind, TensorShapes } from './kind.ts';
import { piFinish, piLanguage, piLogits, piModulation, piStep, piVision } from './pi.ts';
import {
  describePi,
  type Pi0Config,
  type Pi05Config,
  type PiConfig,
  pi0ConfigSchema,
  pi05ConfigSchema,
  piInterface,
} from './pi-config.ts';
import { PiModel } from './pi-model.ts';
import { piSizes } from './pi-sizes.ts';
import { PiTensors, unusedTensors } from './pi-tensors.ts';

/** What a network of this configuration asks for, by the names of a file that holds `found`. */
function inventory(config: PiConfig, file: string, found: TensorShapes): TensorInventory {
  const ports = piInterface(config, file);
  const sizes = piSizes(config, found, file);
  const wanted = new TensorInventory();
  const source = new PiTensors(wanted, found);
  piVision(sizes, ports.side, source);
  piLanguage(sizes, ports.cameras.length, source);
  piStep(config, sizes, source);
  if (config.type === 'pi05') {
    piModulation(sizes, source);
    piFinish(sizes, source);
    piLogits(sizes, source);
  }
  return wanted;
}

const shared = {
  describe: describePi,
  tensors: (config: PiConfig, file: string, found: TensorShapes) => inventory(config, file, found).shapes,
  matrices: (config: PiConfig, file: string, found: TensorShapes) => inventory(config, file, found).matrices,
  trainingTensors: (config: PiConfig, file: string, found: TensorShapes) =>
    unusedTensors(inventory(config, file, found).shapes, found),
  open: (checkpoint: CheckpointFolder<PiConfig>, options: Parameters<typeof PiModel.open>[1]) =>
    PiModel.open(checkpoint, options),
};

export const pi0Kind: ModelKind<Pi0Config> = { type: 'pi0', schema: pi0ConfigSchema, ...shared };
export const pi05Kind: ModelKind<Pi05Config> = { type: 'pi05', schema: pi05ConfigSchema, ...shared };
