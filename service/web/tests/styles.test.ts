import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const SRC = fileURLToPath(new URL("../src", import.meta.url));
const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).map((name) => join(SRC, name));
const read = (end: RegExp) =>
  new Map(files.filter((each) => end.test(each)).map((each) => [each, readFileSync(each, "utf8")]));
const code = read(/\.(tsx?|html)$/);
const styles = read(/\.css$/);
const everything = [...code.values()].join("\n");

/** The library's own, which its canvas has. */
const OF_OTHERS = /^u-/;

/** Whether some page gives an element this class: by its name, or by a name that is put together, as `status-${status}`. */
function isUsed(name: string): boolean {
  if (OF_OTHERS.test(name) || new RegExp(`["'\`\\s]${name}["'\`\\s$]`).test(everything)) return true;
  const stem = name.slice(0, name.indexOf("-") + 1);
  return stem !== "" && everything.includes(`${stem}\${`);
}

test("every class of the style sheets is on some page", () => {
  const named = [...styles.values()].flatMap((style) => style.match(/\.[a-z][\w-]*(?=[^{}]*\{)/g) ?? []);
  const unused = [...new Set(named.map((each) => each.slice(1)))].filter((name) => !isUsed(name));
  assert.deepEqual(unused, []);
});

test("every style sheet is one that a module asks for", () => {
  const asked = [...code].flatMap(([path, text]) =>
    [...text.matchAll(/^import "(\..+\.css)";$/gm)].map(([, to = ""]) => join(dirname(path), to)),
  );
  const forgotten = [...styles.keys()].filter((path) => !asked.includes(path));
  assert.deepEqual(
    forgotten.map((path) => relative(SRC, path)),
    [],
  );
});

test("every colour that is named is one of the palette", () => {
  const all = [...styles.values()].join("\n");
  const known = new Set(all.match(/--[a-z-]+(?=:)/g));
  assert.deepEqual(
    [...new Set(all.match(/(?<=var\()--[a-z-]+/g))].filter((name) => !known.has(name)),
    [],
  );
});
