import assert from "node:assert/strict";
import { test } from "node:test";
import { eigen, ellipse, levels, lossAt } from "../src/charts/ellipse.ts";

const bowl = {
  hessian: [
    [8, 3],
    [3, 2],
  ],
  centre: [1.5, -0.25],
  loss: 0.125,
};

test("64 points of every ellipse that is drawn have its loss", () => {
  for (const level of levels(bowl.loss, 40)) {
    const points = ellipse(bowl, level, 64);
    assert.equal(points.length, 64);
    for (const point of points) assert.ok(Math.abs(lossAt(bowl, point) - level) <= 1e-9 * level);
  }
});

test("the eigenvalues have their directions", () => {
  const { values, vectors } = eigen(bowl.hessian);
  vectors.forEach(([x, y], index) => {
    const value = values[index] ?? 0;
    assert.ok(Math.abs(8 * x + 3 * y - value * x) < 1e-12);
    assert.ok(Math.abs(3 * x + 2 * y - value * y) < 1e-12);
  });
  assert.ok(values[0] >= values[1]);
});

test("along a direction without curvature an ellipse is long, and finite", () => {
  const flat = {
    hessian: [
      [2, 0],
      [0, 0],
    ],
    centre: [0, 0],
    loss: 0,
  };
  assert.ok(ellipse(flat, 1).flat().every(Number.isFinite));
});
