import { calm } from '../state/store.ts';
import { Panel } from './Panel.tsx';
import { Plot } from './Plot.tsx';

const ms = (value: number | null | undefined): string => (value == null ? '–' : `${value.toFixed(0)} ms`);

/** The last half minute of the commander: is there always something to do, and how fresh is it? */
export const PlotsPanel = () => {
  const arm = calm.value?.arm;
  const depth = arm?.queueDepth;
  return (
    <Panel name="plots" title="Inference" aside="last 30 s">
      <div class="plots">
        <figure class="plot">
          <figcaption>
            <span class="swatch swatch-queue" aria-hidden="true" /> Actions queued
            <b>
              {depth == null ? '–' : depth.toFixed(0)}
              {arm?.queueCapacity != null && <small> of {arm.queueCapacity.toFixed(0)}</small>}
            </b>
          </figcaption>
          <Plot series={[{ name: 'queueDepth', color: '--plot-queue', fill: true }]} label="Actions queued" />
        </figure>
        <figure class="plot">
          <figcaption>
            <span class="swatch swatch-inference" aria-hidden="true" /> Inference{' '}
            <b>{ms(arm?.inferenceMs)}</b>
            <span class="swatch swatch-frame" aria-hidden="true" /> Frame age <b>{ms(arm?.frameAgeMs)}</b>
          </figcaption>
          <Plot
            series={[
              { name: 'inferenceMs', color: '--plot-inference' },
              { name: 'frameAgeMs', color: '--plot-frame' },
            ]}
            label="Inference time and frame age in milliseconds"
          />
        </figure>
      </div>
    </Panel>
  );
};
