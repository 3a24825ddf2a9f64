import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { OPTIONS, parametersOf } from "../src/parts/reading.ts";

interface Parameter {
  name: string;
  in: string;
  schema: unknown;
}

/** As `tests/browser/check.py` has it from the service. */
const document = JSON.parse(readFileSync(new URL("../node_modules/openapi.json", import.meta.url), "utf8"));
const parameters: Parameter[] = document.paths["/v1/datasets"].post.parameters;
const asked = parameters.filter((each) => each.in === "query" && !["name", "format"].includes(each.name));

test("every option of an upload has a field", () => {
  const named = asked.map((each) => each.name);
  assert.deepEqual(OPTIONS.map((option) => option.name).sort(), named.sort());
});

test("what can be chosen is what the service takes", () => {
  for (const { name, schema } of asked) {
    const option = OPTIONS.find((each) => each.name === name);
    const offered = JSON.stringify(schema).match(/"enum":(\[[^\]]*\])/)?.[1];
    if (!offered || !option?.choices) continue;
    for (const [value] of option.choices) assert.ok(JSON.parse(offered).includes(value), `${name}=${value}`);
  }
});

test("of several columns each is a parameter of its own, and what was not set is left out", () => {
  const parameters = parametersOf({ delimiter: ";", one_hot: "city, kind ,", nulls: "" });
  assert.deepEqual(parameters, { delimiter: ";", one_hot: ["city", "kind"] });
});
