import assert from "node:assert/strict";
import { test } from "node:test";
import { readTable } from "../src/request/table.ts";

test("pasted rows are read with tabs, commas, semicolons or spaces between them", () => {
  for (const sign of ["\t", ",", ";", "  "]) {
    assert.deepEqual(readTable(`1${sign}2\n3${sign}4\n`), {
      table: {
        columns: ["x", "y"],
        rows: [
          [1, 2],
          [3, 4],
        ],
      },
    });
  }
});

test("a first line that is not numbers has the names", () => {
  assert.deepEqual(readTable('"hours",score\r\n1,52.5\r\n'), {
    table: { columns: ["hours", "score"], rows: [[1, 52.5]] },
  });
});

test("a cell that is no number is named with its line and column", () => {
  const found = readTable("hours,score\n1,52\n2,many");
  assert.deepEqual(found, { fault: "Line 3: “many” in column score is no number." });
});

test("rows of different lengths, lonely columns and names that come twice are refused", () => {
  for (const text of ["1,2\n3", "1\n2\n3", "a,a\n1,2", "a,b"]) assert.ok("fault" in readTable(text), text);
});

test("hostile names are kept as they are: they are text", () => {
  const found = readTable("<img src=x onerror=alert(1)>,y\n1,2");
  assert.ok("table" in found);
  assert.equal(found.table.columns[0], "<img src=x onerror=alert(1)>");
});
