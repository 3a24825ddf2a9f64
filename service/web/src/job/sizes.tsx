// What the points of the fit are as large as: which rows moved the model, or which hold the exact line.

import { query, setQuery } from "../address.ts";
import type { Audit, Influence } from "../api/types.ts";

export type Measure = "cook" | "leverage" | "studentized";
type InfluentialRow = Influence["data"][number];

export interface Sizes {
  /** 0 to 1, by the number of the row. */
  values: number[];
  /** What they are, in words. */
  said: string;
}

const OF_EXACT: [Measure, string][] = [
  ["cook", "Cook’s distance"],
  ["leverage", "leverage"],
  ["studentized", "studentized residual"],
];
const PULL = "pull on the model in this epoch";

/** The measure of the address, where it is one of the exact solution's. */
export function measureChosen(): Measure | null {
  return OF_EXACT.find(([name]) => name === query.value.get("size"))?.[0] ?? null;
}

export const isSizedByPull = (): boolean => query.value.get("size") === "pull";

interface SizeChoiceProps {
  label: string;
  value: string;
  /** Whether only measures of the exact solution are offered. */
  isOfExact?: boolean;
  hasExact?: boolean;
}

export function SizeChoice({ label, value, isOfExact = false, hasExact = true }: SizeChoiceProps) {
  const others: [string, string][] = isOfExact
    ? []
    : [
        ["", "all alike"],
        ["pull", PULL],
      ];
  return (
    <label class="check">
      {label}
      <select value={value} onChange={(event) => setQuery({ size: event.currentTarget.value || null })}>
        {[...others, ...(hasExact ? OF_EXACT : [])].map(([name, said]) => (
          <option key={name} value={name}>
            {said}
          </option>
        ))}
      </select>
    </label>
  );
}

export const ordered = (rows: InfluentialRow[], by: Measure): InfluentialRow[] =>
  [...rows].sort((one, other) => sizeOf(other, by) - sizeOf(one, by));

const sizeOf = (row: InfluentialRow, by: Measure): number => Math.abs(row[by] ?? 0);

/** Of the first `count` rows; those that were not told of are the smallest. */
export function sizesByInfluence({ data }: Influence, by: Measure, count: number): Sizes {
  const told = data.map((row): [number, number] => [row.row, sizeOf(row, by)]);
  return { values: shares(told, count), said: OF_EXACT.find(([name]) => name === by)?.[1] ?? by };
}

export function sizesByPull({ contributions }: Audit, count: number): Sizes {
  return {
    values: shares(
      contributions.map((each) => [each.row, each.norm]),
      count,
    ),
    said: PULL,
  };
}

function shares(told: [number, number][], count: number): number[] {
  const largest = told.reduce((found, [, size]) => Math.max(found, size), Number.MIN_VALUE);
  const values = new Array<number>(count).fill(0);
  for (const [row, size] of told) if (row < count) values[row] = size / largest;
  return values;
}
