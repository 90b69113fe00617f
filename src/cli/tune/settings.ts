import { AGGREGATE_NAMES, type AggregateName } from '../../core/aggregation.ts';

/** LeRobot's parameters of the action queue. */
export interface Setting {
  readonly actionsPerChunk: number;
  readonly chunkSizeThreshold: number;
  readonly aggregateName: AggregateName;
}

/** The values of each parameter that are tried. */
export interface Axes {
  readonly actionsPerChunk: readonly number[];
  readonly chunkSizeThreshold: readonly number[];
  readonly aggregateName: readonly AggregateName[];
}
export type AxisName = keyof Axes;
export const AXIS_NAMES: readonly AxisName[] = ['actionsPerChunk', 'chunkSizeThreshold', 'aggregateName'];

/** As the option of `myelin robot-client` is called. */
export const AXIS_FLAGS: Readonly<Record<AxisName, string>> = {
  actionsPerChunk: '--actions-per-chunk',
  chunkSizeThreshold: '--chunk-size-threshold',
  aggregateName: '--aggregate-fn-name',
};

export const USUAL_AXES: Axes = {
  actionsPerChunk: [20, 30, 50, 100],
  chunkSizeThreshold: [0.3, 0.5, 0.7],
  aggregateName: AGGREGATE_NAMES,
};

/** The defaults of `myelin robot-client`. */
export const USUAL_SETTING: Setting = {
  actionsPerChunk: 50,
  chunkSizeThreshold: 0.5,
  aggregateName: 'weighted_average',
};

/** Every combination. */
export const grid = (axes: Axes): Setting[] =>
  axes.actionsPerChunk.flatMap((actionsPerChunk) =>
    axes.chunkSizeThreshold.flatMap((chunkSizeThreshold) =>
      axes.aggregateName.map((aggregateName) => ({ actionsPerChunk, chunkSizeThreshold, aggregateName })),
    ),
  );

/** Settings that differ from `around` in one parameter at most: the sweep of each axis. */
export const sweeps = (axes: Axes, around: Setting): Setting[] =>
  grid(axes).filter((setting) => AXIS_NAMES.filter((axis) => setting[axis] !== around[axis]).length <= 1);

/** The usual setting where its values are among the axes, else the middle of each axis. */
export function centre(axes: Axes): Setting {
  const middle = <T>(values: readonly T[], usual: T): T =>
    values.includes(usual) ? usual : values[Math.floor(values.length / 2)]!;
  return {
    actionsPerChunk: middle(axes.actionsPerChunk, USUAL_SETTING.actionsPerChunk),
    chunkSizeThreshold: middle(axes.chunkSizeThreshold, USUAL_SETTING.chunkSizeThreshold),
    aggregateName: middle(axes.aggregateName, USUAL_SETTING.aggregateName),
  };
}

export const settingText = ({ actionsPerChunk, chunkSizeThreshold, aggregateName }: Setting): string =>
  `${actionsPerChunk} actions, threshold ${chunkSizeThreshold}, ${aggregateName}`;
