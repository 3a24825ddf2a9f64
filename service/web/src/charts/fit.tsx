// How the model fits its rows: the line through them where there is one feature, else predicted against true.

import { useId } from "preact/hooks";
import type { Job } from "../api/types.ts";
import { number } from "../format.ts";
import type { Sizes } from "../job/sizes.tsx";
import type { Row } from "../job/store.ts";
import { type Model, predict } from "../job/units.ts";
import { Frame, roomy, type Scale, scales, useWidth } from "./axes.tsx";
import { Swatch } from "./legend.tsx";

const MOST_RESIDUALS = 200;
const ROOM_FOR_SIZES = 0.12;

interface FitProps {
  job: Job;
  rows: Row[];
  model: Model | null;
  start: Model | null;
  /** What the points are as large as; null where all are alike. */
  sizes: Sizes | null;
}

export function Fit(props: FitProps) {
  return props.job.dataset.features === 1 ? <LineFit {...props} /> : <TruthFit {...props} />;
}

function LineFit({ job, rows, model, start, sizes }: FitProps) {
  const clip = useId();
  const { place, width } = useWidth();
  const xs = rows.map((row) => row.x[0] ?? 0);
  const asked = (job.predict ?? []).map((point) => (Array.isArray(point) ? (point[0] ?? 0) : point));
  const room = sizes ? ROOM_FOR_SIZES : undefined;
  const extent = roomy([...xs, ...asked.slice(0, 100)], room);
  const exact = job.analysis?.exact ?? null;
  const lines = [exact, start].filter((each) => each !== null);
  const ends = lines.flatMap((line) => extent.map((x) => predict(line, [x])));
  const { x, y } = scales(extent, roomy([...rows.map((row) => row.y), ...ends], room), width);
  const shown = { x, y, extent };
  return (
    <>
      <Frame
        {...{ x, y, clip, place, width }}
        xName={job.dataset.columns?.[0] ?? "x"}
        yName={job.dataset.target}
        label={`${rows.length} rows and the line ${model ? equation(model) : ""}`}
      >
        {start && <LineOf model={start} {...shown} name="start" />}
        {exact && <LineOf model={exact} {...shown} name="exact" />}
        {model && <Residuals {...{ rows, model, x, y }} />}
        {model && <LineOf model={model} {...shown} name="now" />}
        <Points rows={rows} at={(row) => [x(row.x[0] ?? 0), y(row.y)]} sizes={sizes} />
      </Frame>
      <ul class="legend">
        <li>
          <Swatch colour="forward" /> at the cursor <b>{model ? equation(model) : "–"}</b>
        </li>
        {exact && (
          <li>
            <Swatch colour="exact" dash={[10, 5]} isExact /> exact <b>{equation(exact)}</b>
          </li>
        )}
        <li>
          <Swatch colour="faint" dash={[2, 4]} /> before training
        </li>
        <SizeKey sizes={sizes} />
      </ul>
    </>
  );
}

function LineOf({
  model,
  x,
  y,
  extent,
  name,
}: {
  model: Model;
  x: Scale;
  y: Scale;
  extent: readonly number[];
  name: string;
}) {
  const [first = 0, last = 1] = extent;
  const middle = first + 0.8 * (last - first);
  return (
    <g class={`fit-${name}`}>
      <line x1={x(first)} x2={x(last)} y1={y(predict(model, [first]))} y2={y(predict(model, [last]))} />
      {name === "exact" && (
        <path d="M0-6 6 0 0 6-6 0z" transform={`translate(${x(middle)},${y(predict(model, [middle]))})`} />
      )}
    </g>
  );
}

function Residuals({ rows, model, x, y }: { rows: Row[]; model: Model; x: Scale; y: Scale }) {
  if (rows.length > MOST_RESIDUALS) return null;
  const path = rows.map((row) => `M${x(row.x[0] ?? 0)} ${y(row.y)}V${y(predict(model, row.x))}`).join("");
  return <path class="residuals" d={path} />;
}

function TruthFit({ job, rows, model, sizes }: FitProps) {
  const clip = useId();
  const { place, width } = useWidth();
  const predicted = model ? rows.map((row) => predict(model, row.x)) : [];
  const extent = roomy(
    rows.map((row) => row.y),
    sizes ? ROOM_FOR_SIZES : undefined,
  );
  const { x, y } = scales(extent, roomy([...predicted, ...extent], 0), width);
  const [first, last] = extent;
  return (
    <>
      <Frame
        {...{ x, y, clip, place, width }}
        xName={`true ${job.dataset.target}`}
        yName="predicted"
        label={`What the model predicts for ${rows.length} rows, against what is true`}
      >
        <line class="diagonal" x1={x(first)} y1={y(first)} x2={x(last)} y2={y(last)} />
        {model && <Points rows={rows} at={(row, index) => [x(row.y), y(predicted[index] ?? 0)]} sizes={sizes} />}
      </Frame>
      <ul class="legend">
        <li>
          <Swatch colour="exact" dash={[10, 5]} /> where predicted = true
        </li>
        <SizeKey sizes={sizes} />
      </ul>
    </>
  );
}

function SizeKey({ sizes }: { sizes: Sizes | null }) {
  return sizes && <li>a point’s area: {sizes.said}</li>;
}

interface PointsProps {
  rows: Row[];
  at: (row: Row, index: number) => [number, number];
  sizes: Sizes | null;
}

function Points({ rows, at, sizes }: PointsProps) {
  const radius = rows.length > 300 ? 2 : rows.length > 60 ? 3 : 4.5;
  return (
    <g class={sizes ? "points sized" : "points"}>
      {rows.map((row, index) => {
        const [cx, cy] = at(row, index);
        const size = sizes ? 2 + 12 * Math.sqrt(sizes.values[index] ?? 0) : radius;
        return <circle key={index} cx={cx} cy={cy} r={size} />;
      })}
    </g>
  );
}

export function equation({ weights, bias }: Model): string {
  const slope = `ŷ = ${number(weights[0], 5)}·x`;
  if (bias === null) return slope;
  return `${slope} ${bias < 0 ? "−" : "+"} ${number(Math.abs(bias), 5)}`;
}
