// What is typed into a field, as JSON has it; and back.

import type { Field } from "./fields.ts";

export type Values = Record<string, unknown>;

/** What the text of a field stands for: undefined where there is none, and words that the server judges where it cannot be read. */
export function readAs(text: string, kind: Field["kind"]): unknown {
  switch (kind) {
    case "words":
      return text.trim() || undefined;
    case "pairs":
      return pairsIn(text);
    case "ranges":
      return rangesIn(text);
    default:
      return typed(text, kind === "list");
  }
}

/** A number where it is one, or a list of them where that may be; else the words. */
export function typed(text: string, isList = false): unknown {
  const trimmed = text.trim().replaceAll("−", "-");
  if (trimmed === "") return undefined;
  const parts = trimmed.split(/[\s,;]+/).filter(Boolean);
  if (isList && parts.every((part) => Number.isFinite(Number(part)))) return parts.map(Number);
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}

/** A line each: `course = autograd`. */
function pairsIn(text: string): Record<string, string> | undefined {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const pairs = lines.map((line) => {
    const [name = "", ...rest] = line.split("=");
    return [name.trim(), rest.join("=").trim()];
  });
  return pairs.length > 0 ? Object.fromEntries(pairs) : undefined;
}

/** `0–20, 80–100`, each up to the row before the second number. */
function rangesIn(text: string): unknown {
  const parts = text.split(/[,;]/).filter((part) => part.trim() !== "");
  const ranges = parts.map((part) =>
    part
      .match(/^\s*(\d+)\s*[-–−:]\s*(\d+)\s*$/)
      ?.slice(1)
      .map(Number),
  );
  if (ranges.length === 0) return undefined;
  return ranges.includes(undefined) ? text.trim() : ranges;
}

export function writtenAs(value: unknown, kind: Field["kind"]): string {
  if (value === null || value === undefined) return "";
  if (kind === "pairs" && typeof value === "object")
    return Object.entries(value)
      .map(([name, each]) => `${name} = ${each}`)
      .join("\n");
  if (kind === "ranges" && Array.isArray(value)) return value.map((range) => range.join("–")).join(", ");
  return Array.isArray(value) ? value.join(", ") : String(value);
}

export const without = (values: Values): Values =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
