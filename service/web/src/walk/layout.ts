// Where the nodes of a graph stand: in layers from the inputs to the result, each near those it is computed from. A way
// that passes a layer has a place of its own in it.

import type { Graph, GraphEdge, GraphNode } from "../api/types.ts";

export const BOX = { width: 168, height: 84 };
const GAP = { x: 108, y: 24 };
const LANE = 20;
const ROUNDS = 6;

export type Point = [number, number];

export interface Placed {
  node: GraphNode;
  x: number;
  y: number;
}

export interface Layout {
  nodes: Map<string, Placed>;
  /** The points that an edge's way leads through, by `keyOf`. */
  ways: Map<string, Point[]>;
  width: number;
  height: number;
}

/** What takes room in a layer: a node, or an edge on its way. */
interface Slot {
  id: string;
  node: GraphNode | null;
  near: { before: string[]; after: string[] };
}

export const keyOf = (edge: GraphEdge): string => `${edge.source} ${edge.target}`;

export function layOut(graph: Graph): Layout {
  const depth = depths(graph);
  const layers = slots(graph, depth);
  order(layers);
  const heights = layers.map(heightOf);
  const height = Math.max(...heights);
  const middles = new Map<string, Point>();
  const nodes = new Map<string, Placed>();
  layers.forEach((layer, at) => {
    const x = at * (BOX.width + GAP.x);
    let y = (height - (heights[at] ?? 0)) / 2;
    for (const slot of layer) {
      const size = slot.node ? BOX.height : LANE;
      middles.set(slot.id, [x + BOX.width / 2, y + size / 2]);
      if (slot.node) nodes.set(slot.id, { node: slot.node, x, y });
      y += size + GAP.y;
    }
  });
  const ways = new Map(graph.edges.map((edge) => [keyOf(edge), wayOf(edge, depth, middles)]));
  return { nodes, ways, width: layers.length * (BOX.width + GAP.x) - GAP.x, height };
}

/** How many operations lie behind each node; an input stands just before the first that uses it. */
export function depths({ nodes, edges }: Graph): Map<string, number> {
  const found = new Map<string, number>();
  for (const { id } of nodes) {
    const before = edges.filter((edge) => edge.target === id).map((edge) => found.get(edge.source) ?? 0);
    found.set(id, before.length ? Math.max(...before) + 1 : 0);
  }
  for (const { id } of nodes) {
    if (edges.some((edge) => edge.target === id)) continue;
    const after = edges.filter((edge) => edge.source === id).map((edge) => found.get(edge.target) ?? 1);
    if (after.length) found.set(id, Math.min(...after) - 1);
  }
  return found;
}

const laneOf = (edge: GraphEdge, layer: number): string => `${keyOf(edge)} ${layer}`;

function slots({ nodes, edges }: Graph, depth: Map<string, number>): Slot[][] {
  const layers: Slot[][] = Array.from({ length: Math.max(...depth.values()) + 1 }, () => []);
  const found = new Map<string, Slot>();
  const add = (id: string, node: GraphNode | null, layer: number) => {
    const slot = { id, node, near: { before: [], after: [] } };
    found.set(id, slot);
    layers[layer]?.push(slot);
  };
  for (const node of nodes) add(node.id, node, depth.get(node.id) ?? 0);
  for (const edge of edges) {
    const [from, to] = [depth.get(edge.source) ?? 0, depth.get(edge.target) ?? 0];
    let last = edge.source;
    for (let layer = from + 1; layer <= to; layer += 1) {
      const next = layer === to ? edge.target : laneOf(edge, layer);
      if (layer < to) add(next, null, layer);
      found.get(last)?.near.after.push(next);
      found.get(next)?.near.before.push(last);
      last = next;
    }
  }
  return layers;
}

/** Sort every layer by the mean place of each slot's neighbours, forth and back, until it has settled. */
function order(layers: Slot[][]): void {
  for (let round = 0; round < ROUNDS; round += 1) {
    const forth = round % 2 === 0;
    const sequence = forth ? layers : [...layers].reverse();
    for (const layer of sequence) {
      const places = new Map(
        layers.flatMap((each) => each.map((slot, place) => [slot.id, place - (each.length - 1) / 2])),
      );
      const means = new Map(
        layer.map((slot) => [slot.id, mean(forth ? slot.near.before : slot.near.after, places, slot.id)]),
      );
      layer.sort((a, b) => (means.get(a.id) ?? 0) - (means.get(b.id) ?? 0));
    }
  }
}

function mean(near: string[], places: Map<string, number>, own: string): number {
  if (near.length === 0) return places.get(own) ?? 0;
  return near.reduce((sum, id) => sum + (places.get(id) ?? 0), 0) / near.length;
}

const heightOf = (layer: Slot[]): number =>
  layer.reduce((sum, slot) => sum + (slot.node ? BOX.height : LANE) + GAP.y, -GAP.y);

function wayOf(edge: GraphEdge, depth: Map<string, number>, middles: Map<string, Point>): Point[] {
  const [from, to] = [depth.get(edge.source) ?? 0, depth.get(edge.target) ?? 0];
  const at = (id: string): Point => middles.get(id) ?? [0, 0];
  const [start, end] = [at(edge.source), at(edge.target)];
  const points: Point[] = [[start[0] + BOX.width / 2, start[1]]];
  for (let layer = from + 1; layer < to; layer += 1) {
    const [x, y] = at(laneOf(edge, layer));
    points.push([x - BOX.width / 2, y], [x + BOX.width / 2, y]);
  }
  points.push([end[0] - BOX.width / 2, end[1]]);
  return points;
}
