// Curves over epochs, on a canvas: as many as a run has, with the one cursor of the page.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { number } from "../format.ts";
import type { Stretch } from "../job/thinning.ts";
import { colour, isDark } from "./theme.ts";

export interface Line {
  name: string;
  values: (number | null)[];
  /** By its name in the style sheet. */
  colour: string;
  dash?: number[];
  width?: number;
  /** Whether it is the exact solution's, and the same at every epoch. */
  isExact?: boolean;
}

interface CurveProps {
  label: string;
  epochs: number[];
  lines: Line[];
  isLogarithmic?: boolean;
  cursor: number;
  stretch: Stretch | null;
  onMove: (epoch: number) => void;
  onZoom: (stretch: Stretch | null) => void;
  /** What the cursor's epoch has, in words. */
  said: string;
  children?: ComponentChildren;
}

const HEIGHT = 272;
const POINTS_BELOW = 40;

export function Curve(props: CurveProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const mark = useRef<HTMLDivElement | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const { epochs, lines, isLogarithmic = false, cursor, stretch } = props;
  const dark = isDark.value;
  const shape = lines.map((line) => line.name + line.colour).join();

  useLayoutEffect(() => {
    const box = place.current;
    if (!box) return;
    const made = new uPlot(options(latest, box.clientWidth, isLogarithmic), data(latest.current), box);
    const line = document.createElement("div");
    line.className = "curve-cursor";
    made.over.append(line);
    plot.current = made;
    mark.current = line;
    const watching = new ResizeObserver(() => {
      if (box.clientWidth !== made.width) made.setSize({ width: box.clientWidth, height: HEIGHT });
      placeMark(made, line, latest.current.cursor);
    });
    watching.observe(box);
    return () => {
      watching.disconnect();
      made.destroy();
    };
  }, [shape, isLogarithmic, dark]);

  useLayoutEffect(() => {
    plot.current?.setData(data(latest.current), false);
    rescale(plot.current, latest.current);
    if (plot.current && mark.current) placeMark(plot.current, mark.current, latest.current.cursor);
  }, [epochs, lines, stretch, shape, isLogarithmic, dark]);

  useLayoutEffect(() => {
    if (plot.current && mark.current) placeMark(plot.current, mark.current, cursor);
  }, [cursor]);

  return (
    <div
      class="curve"
      role="slider"
      tabIndex={0}
      aria-label={props.label}
      aria-valuemin={-1}
      aria-valuemax={epochs.at(-1) ?? 0}
      aria-valuenow={cursor}
      aria-valuetext={props.said}
      onKeyDown={(event) => moveByKey(event, latest.current)}
    >
      <div ref={place} class="curve-canvas" aria-hidden="true" />
    </div>
  );
}

function moveByKey(event: KeyboardEvent, { epochs, cursor, onMove, onZoom, stretch }: CurveProps): void {
  const last = epochs.at(-1) ?? 0;
  const leap = Math.max(1, Math.round((stretch ? stretch.last - stretch.first : last) / 10));
  const goals: Record<string, number> = {
    ArrowLeft: cursor - 1,
    ArrowDown: cursor - 1,
    ArrowRight: cursor + 1,
    ArrowUp: cursor + 1,
    PageDown: cursor - leap,
    PageUp: cursor + leap,
    Home: -1,
    End: last,
  };
  const goal = goals[event.key];
  if (event.key === "Escape" && stretch) onZoom(null);
  if (goal === undefined) return;
  event.preventDefault();
  onMove(goal);
}

/** Logarithms are drawn as what they are, on a linear scale: the library's own gives up below 1e-16. */
function data({ epochs, lines, isLogarithmic }: CurveProps): uPlot.AlignedData {
  const drawn = (values: (number | null)[]) => (isLogarithmic ? values.map(logarithm) : values);
  return [epochs, ...lines.map((line) => drawn(line.values))] as uPlot.AlignedData;
}

const logarithm = (value: number | null): number | null => (value === null || value <= 0 ? null : Math.log10(value));

function rescale(plot: uPlot | null, { epochs, stretch }: CurveProps): void {
  const last = epochs.at(-1);
  if (!plot || last === undefined) return;
  const first = epochs[0] ?? 0;
  plot.setScale("x", { min: stretch?.first ?? first, max: stretch?.last ?? Math.max(last, first + 1) });
}

function placeMark(plot: uPlot, mark: HTMLElement, cursor: number): void {
  const left = plot.valToPos(cursor, "x");
  const width = plot.bbox.width / uPlot.pxRatio; // to ask the element would lay out the whole page
  mark.hidden = !Number.isFinite(left) || left < -1 || left > width + 1;
  mark.style.transform = `translateX(${Math.round(left)}px)`;
}

function options(latest: { current: CurveProps }, width: number, isLogarithmic: boolean): uPlot.Options {
  const ink = colour("faint");
  const axis: uPlot.Axis = {
    stroke: ink,
    grid: { stroke: colour("grid"), width: 1 },
    ticks: { stroke: colour("grid"), width: 1, size: 4 },
    font: "12px system-ui, sans-serif",
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [8, 24, 0, 0], // half of the last label of the axis
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 }, y: false },
    scales: { x: { time: false } },
    axes: [
      {
        ...axis,
        size: 28,
        space: 64,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6],
      },
      {
        ...axis,
        size: 64,
        values: (_, splits) => written(splits, isLogarithmic),
      },
    ],
    series: [{}, ...latest.current.lines.map((line) => series(line, latest.current.epochs.length))],
    hooks: {
      setSelect: [(plot) => chooseStretch(plot, latest.current)],
      ready: [(plot) => moveByClicks(plot, latest)],
    },
  };
}

/** Numbers of an axis, in as few digits as tell them apart, but two or three. */
function written(ticks: number[], areLogarithms: boolean, digits = areLogarithms ? 2 : 3): string[] {
  const texts = ticks.map((each) => number(areLogarithms ? 10 ** each : each, digits));
  return new Set(texts).size < ticks.length && digits < 9 ? written(ticks, areLogarithms, digits + 1) : texts;
}

function series(line: Line, count: number): uPlot.Series {
  return {
    label: line.name,
    stroke: colour(line.colour),
    width: line.width ?? 2,
    dash: line.isExact ? [12, 6] : (line.dash ?? []),
    points: { show: count <= POINTS_BELOW && !line.isExact, size: 6, fill: colour("panel") },
    spanGaps: true,
  };
}

function chooseStretch(plot: uPlot, { onZoom }: CurveProps): void {
  const { left, width } = plot.select;
  if (width < 8) return;
  const first = Math.max(0, Math.floor(plot.posToVal(left, "x")));
  const last = Math.ceil(plot.posToVal(left + width, "x"));
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (last > first) onZoom({ first, last });
}

function moveByClicks(plot: uPlot, latest: { current: CurveProps }): void {
  let pressed = 0;
  plot.over.addEventListener("mousedown", (event) => {
    pressed = event.clientX;
  });
  plot.over.addEventListener("click", (event) => {
    if (Math.abs(event.clientX - pressed) > 4) return;
    const epoch = plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x");
    latest.current.onMove(Math.max(0, Math.round(epoch)));
  });
  plot.over.addEventListener("dblclick", () => latest.current.onZoom(null));
}
