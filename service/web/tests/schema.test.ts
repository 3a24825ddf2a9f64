import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldsOf } from "../src/request/fields.ts";
import { typed } from "../src/request/typed.ts";

const SCHEMAS = {
  Spec: {
    properties: {
      epochs: { type: "integer", default: 10, description: "Passes." },
      rate: { oneOf: [{ type: "number" }, { type: "string", enum: ["auto"] }], default: "auto" },
      bias: { type: "boolean", default: true },
      loss: { type: "string", enum: ["squared_error", "huber"] },
      start: {
        oneOf: [
          { type: "array", items: { type: "number" } },
          { type: "string", enum: ["zeros"] },
        ],
      },
      optimizer: { anyOf: [{ oneOf: [{ $ref: "#/x/SGD" }, { $ref: "#/x/Adam" }] }, { type: "string", enum: ["sgd"] }] },
      stopping: { anyOf: [{ $ref: "#/x/Stopping" }, { type: "null" }] },
    },
  },
  SGD: { properties: { name: { type: "string", const: "sgd" }, momentum: { type: "number", default: 0 } } },
  Adam: { properties: { name: { type: "string", const: "adam" } } },
  Stopping: { properties: { patience: { type: "integer", default: 10 } } },
};

test("every hyperparameter of the document becomes a field of its kind", () => {
  const kinds = fieldsOf("Spec", SCHEMAS).map((field) => [field.name, field.kind]);
  assert.deepEqual(kinds, [
    ["epochs", "number"],
    ["rate", "text"],
    ["bias", "switch"],
    ["loss", "choice"],
    ["start", "list"],
    ["optimizer", "variants"],
    ["stopping", "group"],
  ]);
});

test("a kind of optimizer has its own settings, and not its name among them", () => {
  const optimizer = fieldsOf("Spec", SCHEMAS).find((field) => field.name === "optimizer");
  assert.ok(optimizer?.kind === "variants");
  assert.deepEqual(
    optimizer.variants.map((variant) => [variant.name, variant.fields.map((field) => field.name)]),
    [
      ["sgd", ["momentum"]],
      ["adam", []],
    ],
  );
});

test("what is typed is a number where it can be, and else the words that the server judges", () => {
  assert.equal(typed("0.01"), 0.01);
  assert.equal(typed("−2"), -2);
  assert.equal(typed("full"), "full");
  assert.equal(typed("1 0"), "1 0");
  assert.deepEqual(typed("1, 2", true), [1, 2]);
  assert.equal(typed("  "), undefined);
});
