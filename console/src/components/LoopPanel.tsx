import { armInfo, calm, stale } from '../state/store.ts';
import { Panel } from './Panel.tsx';

const number = (value: number | null | undefined, digits = 0): string =>
  value == null
    ? '–'
    : value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });

interface TileProps {
  readonly label: string;
  readonly value: string;
  readonly unit?: string;
  readonly note?: string;
  readonly alarming?: boolean;
}

const Tile = ({ label, value, unit, note, alarming = false }: TileProps) => (
  <div class="tile">
    <dt>{label}</dt>
    <dd class={alarming ? 'text-hold' : ''}>
      {value}
      {unit !== undefined && <small> {unit}</small>}
    </dd>
    {note !== undefined && <dd class="tile-note">{note}</dd>}
  </div>
);

/** How well the control loop keeps its time, and how full its bus is. */
export const LoopPanel = () => {
  const arm = calm.value?.arm;
  const loop = arm?.loop;
  const info = armInfo.value;
  return (
    <Panel name="loop" title="Control loop" aside={info && `${number(info.controlFrequencyHz)} Hz asked`}>
      <dl class={`tiles ${stale.value ? 'is-stale' : ''}`}>
        <Tile
          label="Rate"
          value={number(loop?.frequencyHz, 1)}
          unit="Hz"
          note={`${number(loop?.ticks)} ticks`}
        />
        <Tile
          label="Missed"
          value={number(loop?.missed)}
          alarming={(loop?.missed ?? 0) > 0}
          note={`periods skipped`}
        />
        <Tile
          label="Lateness"
          value={number(loop?.latenessMeanUs)}
          unit="µs"
          note={`p99 ${number(loop?.latenessP99Us)}, max ${number(loop?.latenessMaxUs)}`}
        />
        <Tile
          label="Tick"
          value={number(loop?.executionMeanUs)}
          unit="µs"
          note={`max ${number(loop?.executionMaxUs)}`}
        />
        <Tile
          label="Bus load"
          value={arm?.bus.load == null ? '–' : number(arm.bus.load * 100)}
          unit="%"
          alarming={(arm?.bus.dropped ?? 0) > 0}
          note={`${number(arm?.bus.dropped)} dropped`}
        />
        <Tile label="Guardian" value={number(arm?.guardianAgeMs)} unit="ms" note="since its last look" />
      </dl>
      {info !== undefined && info.refused.length > 0 && (
        <p class="granted">Not granted by this system: {info.refused.join(', ')}</p>
      )}
    </Panel>
  );
};
