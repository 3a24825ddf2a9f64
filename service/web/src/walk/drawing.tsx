import { curveBumpX, line } from "d3-shape";
import { useEffect, useRef } from "preact/hooks";
import type { Graph, GraphEdge } from "../api/types.ts";
import { BOX, keyOf, type Layout, layOut, type Placed, type Point } from "./layout.ts";
import { named, shown, shownForward } from "./numbers.ts";
import type { Walk } from "./order.ts";

const ROOM = 12;
const SMALL = 9;
/** Of its size the drawing is shrunk to this part at the least, to fit in; then it is scrolled. */
const SMALLEST = 0.75;

interface DrawingProps {
  graph: Graph;
  walk: Walk;
  onChoose: (id: string) => void;
  /** Nodes whose numbers are to be guessed before they are shown. */
  hidden: ReadonlySet<string>;
}

export function Drawing({ graph, walk, onChoose, hidden }: DrawingProps) {
  const layout = layOut(graph);
  const scroll = useRef<HTMLDivElement>(null);
  const here = layout.nodes.get(walk.current?.id ?? "");
  const [width, height] = [layout.width + 2 * ROOM, layout.height + 2 * ROOM];
  useEffect(() => {
    const pane = scroll.current;
    const scale = pane ? pane.scrollWidth / width : 1;
    if (pane && here) pane.scrollTo({ left: scale * (here.x + BOX.width / 2) - pane.clientWidth / 2 });
  }, [here?.x]);
  return (
    <div class="graph-scroll" ref={scroll} tabIndex={0} role="region" aria-label="The graph">
      <svg
        viewBox={`${-ROOM} ${-ROOM} ${width} ${height}`}
        {...{ width, height }}
        style={{ minWidth: `${SMALLEST * width}px` }}
        class="graph"
        role="group"
      >
        <title>{graph.title}</title>
        {graph.edges.map((edge) => (
          <Way
            key={keyOf(edge)}
            {...{ edge, layout, walk, hidden }}
            forks={forks(graph, edge)}
            isSmall={graph.nodes.length <= SMALL}
          />
        ))}
        {[...layout.nodes.values()].map((placed) => (
          <Box key={placed.node.id} {...{ placed, walk, onChoose }} />
        ))}
      </svg>
    </div>
  );
}

const path = line<Point>().curve(curveBumpX);

/** Whether several gradients come together at an edge's source: their labels then stand at the other ends. */
const forks = (graph: Graph, edge: GraphEdge): boolean =>
  graph.edges.filter((each) => each.source === edge.source && each.product !== null).length > 1;

interface WayProps {
  edge: GraphEdge;
  layout: Layout;
  walk: Walk;
  hidden: ReadonlySet<string>;
  forks: boolean;
  /** Whether all ways have their numbers in sight, and not those of the current node alone. */
  isSmall: boolean;
}

function Way({ edge, layout, walk, hidden, forks, isSmall }: WayProps) {
  const points = layout.ways.get(keyOf(edge)) ?? [];
  const [one, other] = forks ? points.slice(-2) : points;
  if (!one || !other) return null;
  const isPassed = walk.isPassed(edge) && !hidden.has(edge.target);
  const isHere = walk.current?.id === edge.target || walk.current?.id === edge.source;
  const [x, y] = [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
  return (
    <g class={`way${isPassed ? " passed" : ""}${isHere ? " here" : ""}`}>
      <path d={path(points) ?? ""} />
      {isPassed && (isSmall || isHere) && (
        <>
          <text class="local" x={x} y={y - 8}>
            {edge.local === null ? "chain of others" : `× ${shown(edge.local, 4)}`}
          </text>
          <text class="product" x={x} y={y + 16}>
            {shown(edge.product, 4)}
          </text>
        </>
      )}
    </g>
  );
}

interface BoxProps {
  placed: Placed;
  walk: Walk;
  onChoose: (id: string) => void;
}

function Box({ placed: { node, x, y }, walk, onChoose }: BoxProps) {
  const isOnWay = walk.order.some((each) => each.id === node.id);
  const kind = node.kind === "leaf" ? "learns" : node.kind;
  const gradient = walk.hasArrived(node) ? shown(node.upstream) : "";
  const choose = isOnWay ? () => onChoose(node.id) : undefined;
  return (
    <g
      class={`box box-${kind}${walk.current?.id === node.id ? " here" : ""}`}
      transform={`translate(${x},${y})`}
      onClick={choose}
    >
      <rect width={BOX.width} height={BOX.height} rx="6" />
      <text class="box-name" x="12" y="24">
        {short(named(node))}
      </text>
      <text class="forward" x="12" y="48">
        {shownForward(node.value)}
      </text>
      <text class="backward" x="12" y="70">
        {gradient && `∂ = ${gradient}`}
      </text>
    </g>
  );
}

const short = (name: string): string => (name.length > 18 ? `${name.slice(0, 17)}…` : name);
