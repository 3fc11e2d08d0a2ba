/** One percentile of both classes over the last minutes, as a small picture with its words beside it. */

import { LineChart } from 'echarts/charts';
import { GridComponent, TooltipComponent } from 'echarts/components';
import { init, use as register } from 'echarts/core';
import type { EChartsType } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';
import { lineInWords, newestOf } from './board.ts';
import type { Point, VisitorClass } from './board.ts';
import { useSurroundings } from './context.ts';
import { precise } from './text.ts';
import type { Say } from './words.ts';

register([LineChart, GridComponent, TooltipComponent, SVGRenderer]);

/** As long as the server's points go back (docs/protocol/rest.md). */
const SPAN_MS = 10 * 60_000;
const CLASSES: readonly VisitorClass[] = ['vip', 'normal'];

interface BoardChartProps {
  title: string;
  points: readonly Point[];
  /** Which of the two percentiles. */
  which: 0 | 1;
}

export function BoardChart({ title, points, which }: BoardChartProps): React.ReactElement {
  const { say, dark } = useSurroundings();
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(undefined);
  const lines = CLASSES.map((kind) => lineInWords(points, kind, which, say)).filter(Boolean);
  const words = lines.length === 0 ? say('chartNothing') : say('chartSpan', lines.join('; '));

  useEffect(() => {
    const node = box.current;
    if (node === null) return;
    const made = init(node, null, { renderer: 'svg' });
    chart.current = made;
    const follow = new ResizeObserver(() => {
      made.resize();
    });
    follow.observe(node);
    return () => {
      follow.disconnect();
      made.dispose();
      chart.current = undefined;
    };
  }, []);
  useEffect(() => {
    chart.current?.setOption(picture(points, which, dark, say));
  }, [points, which, dark, say]);

  return (
    <figure className="board-chart">
      <figcaption>
        <b>{title}</b>
        <span className="board-legend" aria-hidden="true">
          {CLASSES.map((kind) => (
            <span key={kind} data-class={kind}>
              {say(kind)} {precise(newestOf(points, kind, which), say)}
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={box} className="board-picture" role="img" aria-label={`${title}. ${words}`} />
    </figure>
  );
}

function picture(
  points: readonly Point[],
  which: 0 | 1,
  dark: boolean,
  say: Say,
): Parameters<EChartsType['setOption']>[0] {
  const soft = dark ? '#98a2b3' : '#667085';
  const line = dark ? '#2a2f37' : '#e6e9ee';
  const colors = { vip: dark ? '#f7c548' : '#b7791f', normal: dark ? '#2bb3a3' : '#0f766e' };
  const newest = points.at(-1)?.at;
  return {
    animation: false,
    grid: { left: 8, right: 12, top: 12, bottom: 4, containLabel: true },
    tooltip: {
      trigger: 'axis',
      valueFormatter: (value: unknown) => precise(typeof value === 'number' ? value : null, say),
      backgroundColor: dark ? '#20242b' : '#ffffff',
      borderColor: line,
      textStyle: { color: dark ? '#e8eaee' : '#1b2430' },
    },
    xAxis: {
      type: 'time',
      // The same ten minutes also where the server has not run for so long.
      ...(newest === undefined ? {} : { min: Date.parse(newest) - SPAN_MS, max: newest }),
      splitNumber: 4,
      axisLine: { lineStyle: { color: line } },
      axisTick: { show: false },
      axisLabel: { color: soft, formatter: '{HH}:{mm}', hideOverlap: true },
    },
    yAxis: {
      type: 'value',
      min: 0,
      splitNumber: 3,
      splitLine: { lineStyle: { color: line } },
      axisLabel: { color: soft },
    },
    series: CLASSES.map((kind) => ({
      type: 'line',
      name: say(kind),
      color: colors[kind],
      // A message that had nobody beside it is a dot, else it would be no line and not be seen.
      symbol: 'circle',
      symbolSize: 5,
      lineStyle: { width: 2 },
      data: points.map((point) => [point.at, point[kind][which]]),
    })),
  };
}
