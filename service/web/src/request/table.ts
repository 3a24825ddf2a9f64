// Numbers that were pasted: lines of cells, with or without a line of names above them.

export interface Table {
  columns: string[];
  rows: number[][];
}

export type Reading = { table: Table } | { fault: string };

const MOST_CELLS = 200_000;

export function readTable(text: string): Reading {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) return { fault: "Paste rows of numbers: a line each, the target last." };
  const split = splitterOf(lines[0] ?? "");
  const cells = lines.map(split);
  const width = cells[0]?.length ?? 0;
  if (width * cells.length > MOST_CELLS) return { fault: "That is much to paste: choose it as a file instead." };
  const hasNames = (cells[0] ?? []).some((cell) => !isNumber(cell));
  const columns = hasNames ? (cells[0] ?? []) : defaultNames(width);
  const body = hasNames ? cells.slice(1) : cells;
  return checked(columns, body, hasNames ? 2 : 1);
}

function checked(columns: string[], body: string[][], firstLine: number): Reading {
  if (columns.length < 2) return { fault: "There is one column: it takes two at least, a feature and the target." };
  if (body.length === 0) return { fault: "There are names, but no rows of numbers below them." };
  if (new Set(columns).size < columns.length) return { fault: "Two columns have the same name." };
  for (const [index, row] of body.entries()) {
    const line = index + firstLine;
    if (row.length !== columns.length)
      return { fault: `Line ${line} has ${row.length} cells, the first has ${columns.length}.` };
    const wrong = row.findIndex((cell) => !isNumber(cell));
    if (wrong >= 0) return { fault: `Line ${line}: “${row[wrong]}” in column ${columns[wrong]} is no number.` };
  }
  return { table: { columns, rows: body.map((row) => row.map(Number)) } };
}

function splitterOf(line: string): (line: string) => string[] {
  const sign = ["\t", ";", ","].find((each) => line.includes(each));
  const separator = sign ?? /\s+/;
  return (each) =>
    each
      .trim()
      .split(separator)
      .map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
}

const isNumber = (cell: string): boolean => cell !== "" && Number.isFinite(Number(cell));

function defaultNames(width: number): string[] {
  if (width === 2) return ["x", "y"];
  return Array.from({ length: width }, (_, index) => (index === width - 1 ? "y" : `x${index}`));
}
