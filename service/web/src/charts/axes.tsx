// The frame of a picture in SVG: two linear scales with their ticks.

import { scaleLinear } from "d3-scale";
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { number } from "../format.ts";
import "./charts.css";

export type Extent = readonly [number, number];
export interface Scale {
  (value: number): number;
  invert(value: number): number;
  ticks(count?: number): number[];
}

const USUAL_WIDTH = 560;
export const HEIGHT = 296;
const MARGIN = { left: 60, right: 16, top: 12, bottom: 40 };

/** The least and the greatest of some numbers with some room around them. */
export function roomy(values: Iterable<number>, room = 0.06): Extent {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  const size = high - low || Math.abs(high) || 1;
  return [low - room * size, high + room * size];
}

export function scales(x: Extent, y: Extent, width: number): { x: Scale; y: Scale } {
  return {
    x: scaleLinear([x[0], x[1]], [MARGIN.left, width - MARGIN.right]),
    y: scaleLinear([y[0], y[1]], [HEIGHT - MARGIN.bottom, MARGIN.top]),
  };
}

/** The width that a picture has on the page: its text is as large as other text on a phone, too. */
export function useWidth(): { place: RefObject<HTMLDivElement | null>; width: number } {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(USUAL_WIDTH);
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const watching = new ResizeObserver(() => setWidth(Math.max(280, Math.round(box.clientWidth))));
    watching.observe(box);
    return () => watching.disconnect();
  }, []);
  return { place, width };
}

interface FrameProps {
  place: RefObject<HTMLDivElement | null>;
  width: number;
  x: Scale;
  y: Scale;
  xName: string;
  yName: string;
  label: string;
  children: ComponentChildren;
  clip: string;
  /** What is written at a tick. */
  format?: ((tick: number) => string) | undefined;
}

export function Frame({ place, width, x, y, xName, yName, label, children, clip, format = written }: FrameProps) {
  const bottom = HEIGHT - MARGIN.bottom;
  return (
    <div ref={place}>
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={label} class="picture">
        <clipPath id={clip}>
          <rect
            x={MARGIN.left}
            y={MARGIN.top}
            width={width - MARGIN.left - MARGIN.right}
            height={bottom - MARGIN.top}
          />
        </clipPath>
        <g class="axis">
          {x.ticks(Math.max(2, Math.floor((width - MARGIN.left) / 110))).map((tick) => (
            <g key={tick} transform={`translate(${x(tick)},0)`}>
              <line y1={MARGIN.top} y2={bottom} />
              <text y={bottom + 16} text-anchor="middle">
                {format(tick)}
              </text>
            </g>
          ))}
          {y.ticks(5).map((tick) => (
            <g key={tick} transform={`translate(0,${y(tick)})`}>
              <line x1={MARGIN.left} x2={width - MARGIN.right} />
              <text x={MARGIN.left - 8} dy="0.32em" text-anchor="end">
                {format(tick)}
              </text>
            </g>
          ))}
          <text class="axis-name" x={width - MARGIN.right} y={HEIGHT - 6} text-anchor="end">
            {short(xName)}
          </text>
          <text class="axis-name" transform={`translate(12,${MARGIN.top}) rotate(-90)`} text-anchor="end">
            {short(yName)}
          </text>
        </g>
        <g clip-path={`url(#${clip})`}>{children}</g>
      </svg>
    </div>
  );
}

const written = (tick: number): string => number(tick, 4);
const short = (name: string): string => (name.length > 40 ? `${name.slice(0, 39)}…` : name);
