// The loss over two parameters, or one, and the path of the run across it.

import { useId } from "preact/hooks";
import type { Surface } from "../api/types.ts";
import { number } from "../format.ts";
import { Frame, roomy, type Scale, scales, useWidth } from "./axes.tsx";
import { type Bowl, ellipse, levels, lossAt, type Pair } from "./ellipse.ts";
import { Swatch } from "./legend.tsx";

interface SurfaceProps {
  surface: Surface;
  /** Where the run was: before training, then after every epoch that is drawn. */
  path: Pair[];
  /** Which of them is at the cursor. */
  index: number;
  names: string[];
}

export function SurfaceChart(props: SurfaceProps) {
  return props.surface.parameters.length === 1 ? <Parabola {...props} /> : <Bowls {...props} />;
}

function bowlOf({ hessian, centre, loss }: Surface): Bowl | null {
  return hessian && centre && loss !== null ? { hessian, centre, loss } : null;
}

function Bowls({ surface, path, index, names }: SurfaceProps) {
  const clip = useId();
  const box = useWidth();
  const bowl = bowlOf(surface);
  const [cx, cy] = surface.centre ?? [];
  const grid = surface.grid;
  const x = grid ? edges(grid.x) : roomy([...path.map(([each]) => each), ...(cx === undefined ? [] : [cx])], 0.2);
  const y = grid?.y ? edges(grid.y) : roomy([...path.map(([, each]) => each), ...(cy === undefined ? [] : [cy])], 0.2);
  const scale = scales(x, y, box.width);
  const top = bowl ? Math.max(...[x[0], x[1]].flatMap((a) => [y[0], y[1]].map((b) => lossAt(bowl, [a, b])))) : 0;
  return (
    <>
      <Frame
        {...box}
        {...scale}
        clip={clip}
        xName={names[0] ?? ""}
        yName={names[1] ?? ""}
        label={labelOf(surface, names)}
      >
        {bowl &&
          levels(bowl.loss, top).map((level) => (
            <path key={level} class="contour" d={closed(ellipse(bowl, level, 128), scale)} />
          ))}
        {grid && <Cells grid={grid} {...scale} />}
        <Way path={path} index={index} {...scale} />
        {cx !== undefined && cy !== undefined && <Centre x={scale.x(cx)} y={scale.y(cy)} />}
      </Frame>
      <Key surface={surface} />
    </>
  );
}

function Parabola({ surface, path, index, names }: SurfaceProps) {
  const clip = useId();
  const box = useWidth();
  const bowl = bowlOf(surface);
  const centre = surface.centre?.[0];
  const extent = roomy([...path.map(([each]) => each), ...(centre === undefined ? [] : [centre])], 0.2);
  const lossOf = (value: number) => (bowl ? lossAt(bowl, [value]) : between(surface, value));
  const curve = Array.from({ length: 101 }, (_, step): Pair => {
    const value = extent[0] + ((extent[1] - extent[0]) * step) / 100;
    return [value, lossOf(value)];
  });
  const scale = scales(extent, roomy(curve.map(([, loss]) => loss)), box.width);
  return (
    <>
      <Frame
        {...box}
        {...scale}
        clip={clip}
        xName={names[0] ?? ""}
        yName="loss of all rows"
        label={labelOf(surface, names)}
      >
        <path class="contour strong" d={open(curve, scale)} />
        <Way path={path.map(([value]): Pair => [value, lossOf(value)])} index={index} {...scale} />
        {centre !== undefined && <Centre x={scale.x(centre)} y={scale.y(lossOf(centre))} />}
      </Frame>
      <Key surface={surface} />
    </>
  );
}

/** On a grid of one parameter, the loss between two of its points, or straight on beyond its ends. */
function between({ grid }: Surface, value: number): number {
  const [xs, losses] = [grid?.x ?? [], grid?.loss[0] ?? []];
  const found = xs.findIndex((each) => each >= value);
  const after = found < 0 ? xs.length - 1 : Math.max(1, found);
  const [x0 = 0, x1 = 1, l0, l1] = [xs[after - 1], xs[after], losses[after - 1] ?? 0, losses[after] ?? 0];
  return l0 + ((l1 - l0) * (value - x0)) / (x1 - x0 || 1);
}

const edges = (values: number[]): [number, number] => [values[0] ?? 0, values.at(-1) ?? 1];

interface Scales {
  x: Scale;
  y: Scale;
}

const open = (points: Pair[], { x, y }: Scales): string =>
  `M${points.map(([a, b]) => `${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("L")}`;
const closed = (points: Pair[], scale: Scales): string => `${open(points, scale)}Z`;

function Way({ path, index, x, y }: Scales & { path: Pair[]; index: number }) {
  const here = path[Math.min(index, path.length - 1)];
  const gone = path.slice(0, index + 1);
  return (
    <g class="run">
      {path.length > 1 && <path class="run-whole" d={open(path, { x, y })} />}
      {gone.length > 1 && <path class="run-gone" d={open(gone, { x, y })} />}
      {path.length <= 60 &&
        path.map(([a, b]) => <circle key={`${a} ${b}`} class="run-point" cx={x(a)} cy={y(b)} r="3" />)}
      {here && <circle class="run-here" cx={x(here[0])} cy={y(here[1])} r="7" />}
    </g>
  );
}

function Centre({ x, y }: { x: number; y: number }) {
  return <path class="centre" d="M0-7 7 0 0 7-7 0z" transform={`translate(${x},${y})`} />;
}

function Cells({ grid, x, y }: Scales & { grid: NonNullable<Surface["grid"]> }) {
  const losses = grid.loss.flat().filter((each) => each !== null);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const [width, height] = [
    x(grid.x[1] ?? 1) - x(grid.x[0] ?? 0) + 0.5,
    y(grid.y?.[0] ?? 0) - y(grid.y?.[1] ?? 1) + 0.5,
  ];
  return (
    <g class="cells" shape-rendering="crispEdges">
      {grid.loss.flatMap((row, j) =>
        row.map((loss, i) => (
          <rect
            key={`${i} ${j}`}
            x={x(grid.x[i] ?? 0) - width / 2}
            y={y(grid.y?.[j] ?? 0) - height / 2}
            {...{ width, height }}
            opacity={loss === null ? 0 : 0.75 * (1 - Math.sqrt((loss - low) / (high - low || 1)))}
          />
        )),
      )}
    </g>
  );
}

function Key({ surface }: { surface: Surface }) {
  const greatest = surface.eigenvalues?.at(-1);
  return (
    <ul class="legend">
      <li>
        <Swatch colour="forward" /> the run
      </li>
      {surface.kind === "exact" ? (
        <>
          <li>
            <Swatch colour="exact" isExact /> least loss <b>{number(surface.loss)}</b>
          </li>
          <li>
            <span>
              exact; curvature λ <b>{surface.eigenvalues?.map((each) => number(each, 4)).join(", ")}</b>
              {greatest !== undefined && greatest > 0 && (
                <>
                  , stable below 2/λ <b>{number(2 / greatest, 4)}</b>
                </>
              )}
            </span>
          </li>
        </>
      ) : (
        <li>
          computed at {surface.grid?.x.length} points a side from {number(surface.grid?.rows)} rows; darker is less loss
        </li>
      )}
    </ul>
  );
}

const labelOf = (surface: Surface, names: string[]): string =>
  `The loss over ${names.join(" and ")}, ${surface.kind === "exact" ? "exact" : "on a grid"}, and the path of the run`;
