import type { GraphNode, Numbers } from "../api/types.ts";
import { count, number } from "../format.ts";

/** A number; of many numbers how many there are and their Euclidean norm. */
export function shown(value: Numbers | undefined, digits = 6): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return number(value, digits);
  return `‖${count(value.count)}‖ = ${number(value.norm, 4)}`;
}

/** Of the forward pass every number is there: what is null is not finite. */
export const shownForward = (value: Numbers): string => shown(value) || "not finite";

/** What a node is called in a sentence. */
export function called(node: GraphNode): string {
  return node.name || node.symbol || node.operation;
}

/** The same with the operation that it is the result of. */
export function named(node: GraphNode): string {
  if (node.kind !== "operation" || !node.name || node.name.includes(node.symbol)) return called(node);
  return `${node.name} = ${node.symbol}`;
}
