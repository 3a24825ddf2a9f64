import assert from "node:assert/strict";
import { test } from "node:test";
import type { Draft, Epoch } from "../src/api/types.ts";
import { indexAt, merged, pointsFor } from "../src/job/thinning.ts";
import { inOwnUnits, predict } from "../src/job/units.ts";
import { dialOf, zoneOf } from "../src/request/dial.ts";

const at = (...epochs: number[]): Epoch[] => epochs.map((epoch) => ({ epoch }) as Epoch);

test("the extremes of the loss and of the gradient come together in one ascending list", () => {
  const found = merged(at(0, 5, 9), at(0, 3, 9)).map((each) => each.epoch);
  assert.deepEqual(found, [0, 3, 5, 9]);
});

test("the record at an epoch is the last one that is not after it", () => {
  const known = at(0, 10, 20);
  assert.deepEqual(
    [-1, 0, 9, 10, 99].map((epoch) => indexAt(known, epoch)),
    [-1, 0, 0, 1, 2],
  );
});

test("models with many numbers are asked for fewer epochs", () => {
  assert.equal(pointsFor(1), 1200);
  assert.ok(pointsFor(1000) < 50);
  assert.equal(pointsFor(1_000_000), 40);
});

test("a standardized model predicts the same in the data's own units", () => {
  const scaled = { weights: null, bias: null, means: [10, -2], deviations: [4, 0.5], target_mean: 3 };
  const trained = { weights: [1.5, -2], bias: 0.25 };
  const x = [11, 7];
  const expected = 1.5 * ((11 - 10) / 4) - 2 * ((7 + 2) / 0.5) + 0.25 + 3;
  assert.ok(Math.abs(predict(inOwnUnits(trained, scaled), x) - expected) < 1e-12);
  assert.deepEqual(inOwnUnits(trained, null), trained);
});

/** w ← w − η·λ·w, which is what descent on all rows does along the steepest direction. */
function descends(rate: number, curvature: number): "converges" | "overshoots" | "diverges" {
  const factor = 1 - rate * curvature;
  if (Math.abs(factor) > 1) return "diverges";
  return factor < 0 ? "overshoots" : "converges";
}

test("the dial agrees with what descent does 1 % above and below its limits", () => {
  const curvature = 9.333;
  const stable = 2 / curvature;
  for (const rate of [0.99 * stable, 1.01 * stable, 0.495 * stable, 0.505 * stable]) {
    assert.equal(zoneOf(rate, stable), descends(rate, curvature), String(rate / stable));
  }
});

test("the dial stands between a hundredth of the limit and ten times the limit", () => {
  const draft = (rate: number) =>
    ({ plan: { learning_rate: rate }, analysis: { max_stable_learning_rate: 0.2 } }) as unknown as Draft;
  assert.deepEqual(
    [1e-9, 0.2, 99].map((rate) => dialOf(draft(rate))?.place.toFixed(3)),
    ["0.000", "0.667", "1.000"],
  );
  assert.equal(dialOf({ plan: { learning_rate: null }, analysis: null } as unknown as Draft), null);
});
