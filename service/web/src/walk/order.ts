// The order of the way back: from the result to the parameters, a node when all that comes from it has arrived.

import type { Graph, GraphEdge, GraphNode } from "../api/types.ts";

/** The nodes that a gradient reaches, in the order in which they are visited. */
export function wayBack(graph: Graph): GraphNode[] {
  return graph.nodes.filter((node) => node.upstream !== null && node.requires_grad).reverse();
}

export interface Walk {
  order: GraphNode[];
  /** How many nodes have been visited: 0 is the forward pass alone. */
  visited: number;
  current: GraphNode | null;
  /** Whether the gradient of a node has arrived whole. */
  hasArrived: (node: GraphNode) => boolean;
  /** Whether what flows back along an edge is known. */
  isPassed: (edge: GraphEdge) => boolean;
}

export function walkAt(graph: Graph, id: string | null): Walk {
  const order = wayBack(graph);
  const visited = order.findIndex((node) => node.id === id) + 1;
  const done = new Set(order.slice(0, visited).map((node) => node.id));
  const isPassed = (edge: GraphEdge) => done.has(edge.target) && edge.product !== null;
  const isResult = (node: GraphNode) => node.id === order[0]?.id;
  const hasArrived = (node: GraphNode): boolean => {
    if (node.upstream === null || visited === 0) return false;
    if (isResult(node)) return true;
    return graph.edges
      .filter((edge) => edge.source === node.id && edge.product !== null)
      .every((edge) => done.has(edge.target));
  };
  return { order, visited, current: order[visited - 1] ?? null, hasArrived, isPassed };
}

/** The ways on from a node: what it hands back to the nodes that it was computed from. */
export function handedOn(graph: Graph, node: GraphNode): { edge: GraphEdge; to: GraphNode }[] {
  return graph.edges
    .filter((edge) => edge.target === node.id && edge.product !== null)
    .flatMap((edge) => {
      const to = graph.nodes.find((each) => each.id === edge.source);
      return to ? [{ edge, to }] : [];
    });
}
