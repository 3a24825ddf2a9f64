import assert from "node:assert/strict";
import { test } from "node:test";
import { age, bytes, count, number, seconds, weightName } from "../src/format.ts";

test("numbers are short, keep their digits, and have a true minus", () => {
  assert.equal(number(-16.228801727294922), "−16.2288");
  assert.equal(number(7.804864406585693, 5), "7.8049");
  assert.equal(number(0.1 + 0.2), "0.3");
  assert.equal(number(1234567), "1,234,570");
  assert.equal(number(1.38e-30), "1.38e−30");
  assert.equal(number(0), "0");
});

test("what is counted is grouped in thousands, whatever language the browser speaks", () => {
  assert.deepEqual([7, 999, 1000, 12_345, 1_000_000].map(count), ["7", "999", "1,000", "12,345", "1,000,000"]);
});

test("what is no finite number is told without one", () => {
  assert.equal(number(null), "–");
  assert.equal(number(Number.NaN), "–");
  assert.equal(number(Number.NEGATIVE_INFINITY), "−∞");
});

test("times and sizes have the unit that people would take", () => {
  assert.equal(seconds(0.0013), "1.3 ms");
  assert.equal(seconds(75), "1\u00a0min 15\u00a0s");
  assert.equal(seconds(59.96), "1\u00a0min 0\u00a0s");
  assert.equal(seconds(119.7), "2\u00a0min 0\u00a0s");
  assert.equal(seconds(3599.7), "1\u00a0h 0\u00a0min");
  assert.equal(bytes(46_400), "46.4 KB");
  assert.equal(age("2026-01-01T00:00:00Z", Date.parse("2026-01-01T02:00:00Z")), "2 h ago");
});

test("a weight is called by its feature, and w where it is alone", () => {
  assert.equal(weightName(0, 1, ["hours"]), "w");
  assert.equal(weightName(1, 2, ["hours", "age"]), "w[age]");
  assert.equal(weightName(1, 2, null), "w[1]");
});
