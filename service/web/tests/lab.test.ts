import assert from "node:assert/strict";
import { test } from "node:test";
import { differences, onOneGrid } from "../src/compare/differences.ts";
import { faultPlace, namesIn, readValues, writeValues } from "../src/lab/formula.ts";

test("a formula asks for the names that it does not compute itself", () => {
  assert.deepEqual(namesIn("(x*w - y)**2"), ["x", "w", "y"]);
  assert.deepEqual(namesIn("c = a + b; d = a*b; c += d; tanh(c)**2"), ["a", "b"]);
  assert.deepEqual(namesIn("n += 1; n"), ["n"]);
  assert.deepEqual(namesIn("1e3 * max(x1, 2.5e-1)"), ["x1"]);
});

test("a fault stands under its character", () => {
  assert.equal(faultPlace('Expected a number instead of ")", at character 7'), 7);
  assert.equal(faultPlace("something else"), null);
});

test("values come back from the address as they were written into it", () => {
  const values = { x: 1, w: -0.5, big: 1e300 };
  assert.deepEqual(readValues(writeValues(values)), values);
  assert.deepEqual(readValues("x:1,y:many,:3"), { x: 1 });
});

test("runs are told apart by what differs, however deep it lies", () => {
  const found = differences([
    { epochs: 10, optimizer: { name: "sgd", momentum: 0 }, l2: 0 },
    { epochs: 10, optimizer: { name: "adam" }, l2: 0 },
  ]);
  assert.deepEqual(found, [
    { name: "optimizer.name", values: ["sgd", "adam"] },
    { name: "optimizer.momentum", values: ["0", "–"] },
  ]);
});

test("runs of different lengths share one grid of epochs", () => {
  const found = onOneGrid([
    [
      [0, 4],
      [2, 1],
    ],
    [
      [0, 5],
      [1, 3],
    ],
  ]);
  assert.deepEqual(found, {
    epochs: [0, 1, 2],
    values: [
      [4, null, 1],
      [5, 3, null],
    ],
  });
});
