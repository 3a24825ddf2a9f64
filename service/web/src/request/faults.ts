// Which of the faults of a problem belong to a field, by their JSON Pointers.

import type { Problem } from "../api/client.ts";

function faultsWhere(problem: Problem | null, belongs: (pointer: string) => boolean): string[] {
  return (problem?.details.errors ?? []).filter((fault) => belongs(fault.pointer)).map((fault) => fault.detail);
}

/** Of the value itself. */
export const faultsAt = (problem: Problem | null, pointer: string): string[] =>
  faultsWhere(problem, (each) => each === pointer);

/** Of the value or of anything in it: no part of it has a field of its own. */
export const faultsIn = (problem: Problem | null, pointer: string): string[] =>
  faultsWhere(problem, (each) => each === pointer || each.startsWith(`${pointer}/`));

/** Whether a part of the value is wrong. */
export const faultsBelow = (problem: Problem | null, pointer: string): boolean =>
  faultsWhere(problem, (each) => each.startsWith(`${pointer}/`)).length > 0;
