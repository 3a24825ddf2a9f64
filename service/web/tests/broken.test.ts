import assert from "node:assert/strict";
import { test } from "node:test";
import { stepWhereItBroke } from "../src/job/broken.ts";

const said = (epoch: number, step: number) =>
  `The numbers stopped being finite in epoch ${epoch}, step ${step}: lower it`;

function broken(epoch: number, step: number, steps_recorded = true) {
  const error = { code: "diverged", detail: said(epoch, step) };
  const [plan, progress] = [
    { steps: 30, steps_recorded },
    { epochs: 10, epochs_done: epoch },
  ];
  return stepWhereItBroke({ error, plan, progress, sweep_id: null } as never);
}

test("the last whole step of a run that broke is the one before", () => {
  assert.deepEqual(broken(4, 2), { epoch: 4, step: 1, isFinite: true });
  assert.deepEqual(broken(4, 0), { epoch: 3, step: 2, isFinite: true });
});

test("where its steps were not kept it is the last of the epoch before", () => {
  assert.deepEqual(broken(4, 2, false), { epoch: 3, step: 2, isFinite: true });
  assert.equal(broken(0, 2, false), null);
});

test("a run that broke in its very first step is walked there", () => {
  assert.deepEqual(broken(0, 0), { epoch: 0, step: 0, isFinite: false });
});

test("a run that failed otherwise broke in no step", () => {
  assert.equal(stepWhereItBroke({ error: { code: "timeout", detail: said(1, 1) } } as never), null);
});
