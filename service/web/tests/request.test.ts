import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { askedOf, valuesOf } from "../src/request/again.ts";
import { faultsAt, faultsBelow, faultsIn } from "../src/request/faults.ts";
import { type Field, fieldsOfRequest, type Schemas } from "../src/request/fields.ts";
import { readAs, type Values, writtenAs } from "../src/request/typed.ts";

/** As `tests/browser/check.py` has it from the service. */
const document = JSON.parse(readFileSync(new URL("../node_modules/openapi.json", import.meta.url), "utf8"));
const schemas: Schemas = document.components.schemas;
const { hyperparameters, besides } = fieldsOfRequest(schemas);

/** A value that is not what the field has without being said. */
function another(field: Field): unknown {
  switch (field.kind) {
    case "switch":
      return !field.fallback;
    case "choice":
      return field.options.find((option) => option !== field.fallback);
    case "several":
      return field.options.slice(0, 1);
    case "variants": {
      const variant = field.variants.at(-1);
      return { name: variant?.name, ...allAnother(variant?.fields ?? []) };
    }
    case "group":
      return allAnother(field.fields);
    case "list":
      return [0.5, -3];
    case "ranges":
      return [
        [0, 2],
        [5, 7],
      ];
    case "pairs":
      return { course: "autograd", "a=b": "" };
    case "words":
      return "cuda:1";
    default:
      return 7.25;
  }
}

const allAnother = (fields: Field[]): Values => Object.fromEntries(fields.map((each) => [each.name, another(each)]));

test("every property of a request has a field, or a place of its own in the form", () => {
  const names = besides.map((field) => field.name);
  assert.deepEqual(
    new Set([...names, "dataset", "hyperparameters", "predict"]),
    new Set(Object.keys(schemas.JobRequest?.properties ?? {})),
  );
  const known = hyperparameters.map((field) => field.name);
  assert.deepEqual(known, Object.keys(schemas.TrainingSpec?.properties ?? {}));
});

test("metadata are pairs of words", () => {
  assert.deepEqual(
    besides.filter((field) => field.kind === "pairs").map((field) => field.name),
    ["metadata"],
  );
  assert.deepEqual(valuesOf({ metadata: {} }, besides), {});
});

test("whatever is said in a request is said again", () => {
  for (const fields of [besides, hyperparameters]) {
    const said = allAnother(fields);
    assert.deepEqual(valuesOf(said, fields), said);
  }
});

test("every kind of optimizer and of schedule keeps its settings", () => {
  for (const field of hyperparameters) {
    if (field.kind !== "variants") continue;
    for (const variant of field.variants) {
      const value = { name: variant.name, ...allAnother(variant.fields) };
      const isUsual: boolean = variant === field.variants[0] && variant.fields.length === 0;
      assert.deepEqual(valuesOf({ [field.name]: value }, [field]), isUsual ? {} : { [field.name]: value });
    }
  }
});

test("what has its default is left out", () => {
  const usual = Object.fromEntries(hyperparameters.map((field) => [field.name, field.fallback]));
  assert.deepEqual(valuesOf(usual, hyperparameters), {});
});

test("of a job that went on from another only an optimizer's state comes from there again", () => {
  const start = { initial_weights: [1], epochs: 3 };
  const origin = { job: "a", epoch: 1, optimizer_state: false };
  const copied = askedOf({ hyperparameters: start, initial_from: origin } as never);
  assert.deepEqual([copied.hyperparameters, copied.initial_from], [start, null]);
  const stateful = askedOf({ hyperparameters: start, initial_from: { ...origin, optimizer_state: true } } as never);
  assert.deepEqual(stateful.hyperparameters, { epochs: 3 });
});

test("what a field shows is read as the value that it shows", () => {
  for (const field of [...besides, ...hyperparameters]) {
    if (!["number", "text", "words", "list", "ranges"].includes(field.kind)) continue;
    assert.deepEqual(readAs(writtenAs(another(field), field.kind), field.kind), another(field), field.name);
  }
  assert.deepEqual(readAs("course = autograd\nroom = 5 = b", "pairs"), { course: "autograd", room: "5 = b" });
  assert.equal(readAs("0-2, five", "ranges"), "0-2, five");
  assert.equal(readAs("12", "words"), "12");
});

test("a fault stands at the field of its pointer, or at that of what it is a part of", () => {
  const errors = [
    { pointer: "/hyperparameters/optimizer/momentum", detail: "too large" },
    { pointer: "/predict/0/1", detail: "no number" },
  ];
  const problem = { details: { errors } } as never;
  assert.deepEqual(faultsAt(problem, "/hyperparameters/optimizer"), []);
  assert.ok(faultsBelow(problem, "/hyperparameters/optimizer"));
  assert.deepEqual(faultsIn(problem, "/hyperparameters/optimizer/momentum"), ["too large"]);
  assert.deepEqual(faultsIn(problem, "/predict"), ["no number"]);
  assert.deepEqual(faultsIn(problem, "/pre"), []);
});
