import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { armDescription } from '../../arms/catalogue.ts';
import { Grant } from '../../control/loop-messages.ts';
import type { ArmSegment } from '../../segment/arm-segment.ts';
import { type ArmInfo, wireNumber } from './telemetry.ts';

const GRANT_WORDS: Readonly<Record<keyof typeof Grant, string>> = {
  FIFO: 'real-time priority',
  AFFINITY: 'a core of its own',
  LOCKED: 'locked memory',
  TIMER_SLACK: 'precise timers',
};
const GRANTS = Object.keys(Grant) as (keyof typeof Grant)[];

/** Names of the joints and the drawing of a model the catalogue knows; numbered joints for any other. */
export function modelFacts(
  model: string,
  dof: number,
): { names: readonly string[]; urdf: string | undefined } {
  if (model === 'X5' || model === 'L5') {
    const { jointNames, urdf } = armDescription(model);
    return { names: jointNames, urdf };
  }
  return { names: Array.from({ length: dof }, (_, index) => `joint${index + 1}`), urdf: undefined };
}

/** What does not change while one control process lives. `modelsFolder` is what is served under `/models/`. */
export function readArmInfo({ fields }: ArmSegment, modelsFolder: string): ArmInfo {
  const dof = Math.min(fields.dof, 16);
  const { names, urdf } = modelFacts(fields.model, dof);
  const granted = GRANTS.filter((name) => (fields.grants & Grant[name]) !== 0);
  return {
    type: 'arm',
    model: fields.model,
    interfaceName: fields.interfaceName,
    dof,
    joints: Array.from({ length: dof }, (_, index) => ({
      name: names[index] ?? `joint${index + 1}`,
      unit: names[index] === 'gripper' ? ('m' as const) : ('rad' as const),
      min: wireNumber(fields.positionMin[index] ?? Number.NaN),
      max: wireNumber(fields.positionMax[index] ?? Number.NaN),
      home: wireNumber(fields.home[index] ?? Number.NaN),
    })),
    controlFrequencyHz: wireNumber(fields.controlFrequencyHz),
    commandTimeoutS: wireNumber(fields.commandTimeoutS),
    watchdogTimeoutS: wireNumber(fields.watchdogTimeoutS),
    tablePlaneZ: wireNumber(fields.tablePlaneZ),
    controlPid: fields.controlPid,
    guardianPid: fields.guardianPid,
    granted: granted.map((name) => GRANT_WORDS[name]),
    refused: GRANTS.filter((name) => !granted.includes(name)).map((name) => GRANT_WORDS[name]),
    urdfPath: urdf !== undefined && existsSync(join(modelsFolder, urdf)) ? `/models/${urdf}` : null,
  };
}
