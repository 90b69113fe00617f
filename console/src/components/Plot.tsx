import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { HISTORY_S, type HistorySeries } from '../state/history.ts';
import { history } from '../state/store.ts';

const REDRAW_MS = 125;

interface PlotProps {
  /** `color` is a CSS custom property. */
  readonly series: readonly {
    readonly name: HistorySeries;
    readonly color: string;
    readonly fill?: boolean;
  }[];
  /** For people who do not see the drawing. */
  readonly label: string;
}

const cssColor = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function makePlot(host: HTMLElement, series: PlotProps['series']): uPlot {
  const axis = {
    stroke: cssColor('--text-quiet'),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid: { stroke: cssColor('--line'), width: 1 },
    ticks: { show: false },
  };
  return new uPlot(
    {
      width: host.clientWidth,
      height: host.clientHeight,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 16, 0, 0],
      scales: {
        x: { time: false, range: [-HISTORY_S, 0] },
        y: { range: (_plot, _min, max) => [0, Math.max(5, (max ?? 0) * 1.15)] },
      },
      axes: [
        {
          ...axis,
          size: 20,
          gap: 2,
          incrs: [5, 10],
          values: (_plot, at) => at.map((s) => (s === 0 ? 'now' : `${s} s`)),
        },
        { ...axis, size: 34, gap: 4, space: 28 },
      ],
      series: [
        {},
        ...series.map(({ color, fill }) => ({
          stroke: cssColor(color),
          width: 2,
          points: { show: false },
          ...(fill === true ? { fill: `color-mix(in srgb, ${cssColor(color)} 18%, transparent)` } : {}),
        })),
      ],
    },
    [[], ...series.map(() => [])],
    host,
  );
}

/** A strip chart of {@link history}. Redraws a few times a second, not at all while nobody looks. */
export const Plot = ({ series, label }: PlotProps) => {
  const host = useRef<HTMLDivElement>(null);
  // Once: the series of a plot never change.
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    let plot = makePlot(element, series);
    const names = series.map(({ name }) => name);
    const redraw = setInterval(() => {
      if (!document.hidden) plot.setData(history.read(names, performance.now()) as uPlot.AlignedData);
    }, REDRAW_MS);
    const resize = new ResizeObserver(() =>
      plot.setSize({ width: element.clientWidth, height: element.clientHeight }),
    );
    resize.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const recolor = () => {
      plot.destroy();
      plot = makePlot(element, series);
    };
    dark.addEventListener('change', recolor);
    return () => {
      clearInterval(redraw);
      resize.disconnect();
      dark.removeEventListener('change', recolor);
      plot.destroy();
    };
  }, []);
  return <div ref={host} class="plot-host" role="img" aria-label={label} />;
};
