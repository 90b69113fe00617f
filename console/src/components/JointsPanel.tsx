import type { ArmInfo, ArmState } from '../../../src/remote/gateway/telemetry.ts';
import { armInfo, calm, stale } from '../state/store.ts';
import { Panel } from './Panel.tsx';

type Joint = ArmInfo['joints'][number];

const DEGREES = 180 / Math.PI;
const WARM_C = 60;
const HOT_C = 80;

/** Angles in degrees, gripper openings in millimetres: what people think in. */
const show = (value: number | null | undefined, unit: Joint['unit']): string => {
  if (value == null) return '–';
  return unit === 'm' ? `${(value * 1000).toFixed(1)} mm` : `${(value * DEGREES).toFixed(1)}°`;
};

/** `joint1` reads `Joint 1`. */
const title = (name: string): string =>
  `${name.slice(0, 1).toUpperCase()}${name.slice(1).replace(/(?<=\D)(?=\d)/, ' ')}`.replaceAll('_', ' ');

/** Where a value lies between the joint's limits, per cent. */
const share = (value: number | null | undefined, { min, max }: Joint): number | undefined =>
  value == null || min === null || max === null || max <= min
    ? undefined
    : Math.min(100, Math.max(0, ((value - min) / (max - min)) * 100));

const Range = ({ joint, measured, commanded }: RangeProps) => {
  const at = share(measured, joint);
  const wanted = share(commanded, joint);
  const near = at !== undefined && (at < 3 || at > 97);
  return (
    <svg
      class={`range ${near ? 'range-near' : ''}`}
      viewBox="0 0 100 10"
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <rect class="range-track" x="0" y="3.5" width="100" height="3" rx="1.5" />
      {wanted !== undefined && <rect class="range-wanted" x={wanted - 0.6} y="0" width="1.2" height="10" />}
      {at !== undefined && (
        <rect class="range-at" x={Math.max(0, at - 1.5)} y="1" width="3" height="8" rx="1" />
      )}
    </svg>
  );
};

interface RangeProps {
  readonly joint: Joint;
  readonly measured: number | null | undefined;
  readonly commanded: number | null | undefined;
}

const Temperature = ({ celsius }: { readonly celsius: number | null | undefined }) => {
  if (celsius == null || celsius === 0) return <span>–</span>;
  const tone = celsius >= HOT_C ? 'text-alarm' : celsius >= WARM_C ? 'text-hold' : '';
  return <span class={tone}>{celsius.toFixed(0)} °C</span>;
};

const hottest = (arm: ArmState | null | undefined, index: number): number | null => {
  const both = [arm?.motorTemperatureC[index], arm?.driverTemperatureC[index]].filter((c) => c != null);
  return both.length === 0 ? null : Math.max(...both);
};

const JointRow = ({ joint, index }: { readonly joint: Joint; readonly index: number }) => {
  const arm = calm.value?.arm;
  const measured = arm?.position[index];
  const commanded = arm?.commanded[index];
  return (
    <tr>
      <th scope="row">{title(joint.name)}</th>
      <td class="number">{show(measured, joint.unit)}</td>
      <td class="number quiet">{show(commanded, joint.unit)}</td>
      <td class="range-cell" title={`${show(joint.min, joint.unit)} to ${show(joint.max, joint.unit)}`}>
        <Range joint={joint} measured={measured} commanded={commanded} />
      </td>
      <td class="number">
        <Temperature celsius={hottest(arm, index)} />
      </td>
    </tr>
  );
};

const Limited = () => {
  const limits = calm.value?.arm?.limits ?? [];
  return limits.length === 0 ? null : (
    <span>limited: {limits.join(', ').toLowerCase().replaceAll('_', ' ')}</span>
  );
};

const JointTable = ({ joints }: { readonly joints: readonly Joint[] }) => (
  <table class={`joints ${stale.value ? 'is-stale' : ''}`}>
    <thead>
      <tr>
        <th scope="col">Joint</th>
        <th scope="col" class="number">
          Measured
        </th>
        <th scope="col" class="number">
          Commanded
        </th>
        <th scope="col">Within limits</th>
        <th scope="col" class="number">
          Motor
        </th>
      </tr>
    </thead>
    <tbody>
      {joints.map((joint, index) => (
        <JointRow key={joint.name} joint={joint} index={index} />
      ))}
    </tbody>
  </table>
);

export const JointsPanel = () => (
  <Panel name="joints" title="Joints" aside={<Limited />}>
    {armInfo.value === undefined ? (
      <p class="empty">No arm yet.</p>
    ) : (
      <JointTable joints={armInfo.value.joints} />
    )}
  </Panel>
);
