import assert from "node:assert/strict";
import { test } from "node:test";

let now = 0;
performance.now = () => now;
const { spend, startAnew } = await import("../src/api/pace.ts");

/** When requests leave that wait as long as they are told, each of which follows the one before. */
function times(count: number): number[] {
  return Array.from({ length: count }, () => {
    now += spend();
    return now;
  });
}

test("a page that opens asks immediately, and then follows at most four times a second", () => {
  const asked = times(60);
  assert.deepEqual(asked.slice(0, 12), new Array(12).fill(0));
  for (let start = 12; start + 4 < asked.length; start += 1) {
    assert.ok((asked[start + 4] ?? 0) - (asked[start] ?? 0) > 1000, String(asked.slice(start, start + 5)));
  }
});

test("a page that was quiet saves nothing up, until another is shown", () => {
  now += 60_000;
  const [begun = 0, ...following] = times(5);
  assert.ok((following.at(-1) ?? 0) - begun > 1000);
  startAnew();
  const [first = 0, ...others] = times(12);
  assert.deepEqual(others, new Array(11).fill(first));
});

test("what a user asks for counts, and does not keep the page from following for long", () => {
  for (let each = 0; each < 200; each += 1) spend();
  assert.ok(spend() < 1500);
});
