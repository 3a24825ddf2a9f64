import assert from "node:assert/strict";
import { test } from "node:test";

const nothing = () => {};
const asked: string[] = [];
let status = 200;

/** As much of a browser as calls need, at the address of the first page. */
Object.assign(globalThis, {
  addEventListener: nothing,
  matchMedia: () => ({ matches: false, addEventListener: nothing }),
  window: { location: { pathname: "/", search: "" } },
  document: {
    visibilityState: "visible",
    addEventListener: nothing,
    getElementById: () => null,
    querySelector: () => null,
  },
  fetch: async (to: string) => {
    asked.push(to);
    return Response.json({ detail: to }, { status });
  },
});
const { askAhead } = await import("../src/ahead.ts");
const { get, getAhead, Problem } = await import("../src/api/client.ts");
const { listedJobs } = await import("../src/listed.ts");

test("the list that the first page shows is asked for ahead, and the page is given that answer once", async () => {
  const list = listedJobs(new URLSearchParams());
  askAhead();
  assert.deepEqual(asked, [list]);
  assert.deepEqual(await get(list), { detail: list });
  assert.deepEqual(asked, [list]);
  await get(list);
  assert.deepEqual(asked, [list, list]);
});

test("what was refused ahead is asked for anew", async () => {
  status = 503;
  getAhead("/v1/devices");
  await assert.rejects(get("/v1/devices"), Problem);
  getAhead("/v1/sweeps");
  await new Promise((resolve) => setTimeout(resolve, 10));
  status = 200;
  assert.deepEqual(await get("/v1/sweeps"), { detail: "/v1/sweeps" });
});

test("the address of the list says what the query of its page asks for", () => {
  assert.equal(listedJobs(new URLSearchParams()), "/v1/jobs?in_sweep=false&limit=25");
  const query = new URLSearchParams({ q: "a b", status: "failed", sort: "loss", after: "7", sweeps: "1", epoch: "3" });
  assert.equal(listedJobs(query), "/v1/jobs?q=a+b&status=failed&sort=loss&after=7&limit=25");
});
