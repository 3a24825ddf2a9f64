import assert from "node:assert/strict";
import { test } from "node:test";
import type { Graph, GraphNode } from "../src/api/types.ts";
import { depths, layOut } from "../src/walk/layout.ts";
import { walkAt, wayBack } from "../src/walk/order.ts";

function node(id: string, requires_grad: boolean, upstream: number | null): GraphNode {
  const absent = { index: null, tensor: null, grad: null, grad_before: null };
  return {
    ...absent,
    id,
    kind: "operation",
    operation: "",
    symbol: "",
    name: id,
    value: 1,
    shape: [],
    upstream,
    requires_grad,
  };
}

const edge = (source: string, target: string, product: number | null) => ({ source, target, local: product, product });

/** loss = (x·w − y)² + w: two ways lead to w. */
const graph: Graph = {
  title: "",
  loss: 1,
  notes: [],
  nodes: [
    node("x", false, null),
    node("w", true, 3),
    node("product", true, 2),
    node("y", false, null),
    node("difference", true, 2),
    node("square", true, 1),
    node("loss", true, 1),
  ],
  edges: [
    edge("x", "product", null),
    edge("w", "product", 2),
    edge("product", "difference", 2),
    edge("y", "difference", null),
    edge("difference", "square", 2),
    edge("square", "loss", 1),
    edge("w", "loss", 1),
  ],
};

test("the way back goes from the result to the parameters and passes by what needs no gradient", () => {
  assert.deepEqual(
    wayBack(graph).map((each) => each.id),
    ["loss", "square", "difference", "product", "w"],
  );
});

test("before the way back no gradient is shown anywhere", () => {
  const walk = walkAt(graph, null);
  assert.equal(walk.current, null);
  assert.ok(!graph.nodes.some(walk.hasArrived));
  assert.ok(!graph.edges.some(walk.isPassed));
});

test("a gradient is blank until all ways that lead to its node have been gone", () => {
  const at = (id: string) => graph.nodes.filter(walkAt(graph, id).hasArrived).map((each) => each.id);
  assert.deepEqual(at("loss"), ["square", "loss"]);
  assert.deepEqual(at("difference"), ["product", "difference", "square", "loss"]);
  assert.ok(at("product").includes("w"));
});

test("an input stands just before the first operation that uses it", () => {
  const found = depths(graph);
  assert.equal(found.get("y"), (found.get("difference") ?? 0) - 1);
  assert.equal(found.get("x"), 0);
});

test("no two boxes of a drawing overlap, and a long way leads through places of its own", () => {
  const { nodes, ways } = layOut(graph);
  const placed = [...nodes.values()];
  for (const one of placed) {
    for (const other of placed) {
      if (one === other || one.x !== other.x) continue;
      assert.ok(Math.abs(one.y - other.y) >= 84, `${one.node.id} and ${other.node.id}`);
    }
  }
  assert.equal(ways.get("w loss")?.length, 2 * 4);
});
