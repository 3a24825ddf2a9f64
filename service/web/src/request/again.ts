// What the form begins with of a job: its request, without what would be so in any case.

import type { Job } from "../api/types.ts";
import type { Field } from "./fields.ts";
import type { Values } from "./typed.ts";

/** The parameters to begin with. */
const STARTS = ["initial_weights", "initial_bias"];

/** The request of a job, as its answer has it, but for its data. Parameters of another job were copied when it was
 * accepted: only the state of an optimizer still comes from there, and then the parameters do, too. */
export function askedOf(job: Job): Values {
  const { hyperparameters, initial_from } = job;
  if (!initial_from?.optimizer_state) return { ...job, initial_from: null };
  const others = Object.entries(hyperparameters).filter(([name]) => !STARTS.includes(name));
  return { ...job, hyperparameters: Object.fromEntries(others) };
}

/** The values of these fields that are not as they would be without being said. */
export function valuesOf(given: Values, fields: Field[]): Values {
  const said = fields.map((field) => [field.name, saidOf(given[field.name], field)] as const);
  return Object.fromEntries(said.filter(([, value]) => value !== undefined));
}

function saidOf(value: unknown, field: Field): unknown {
  if (value === undefined || JSON.stringify(value) === JSON.stringify(usualOf(field))) return undefined;
  if (value === null) return null;
  if (field.kind === "variants") return variantOf(value as Values, field);
  if (field.kind !== "group") return value;
  const parts = valuesOf(value as Values, field.fields);
  return field.isOptional || Object.keys(parts).length > 0 ? parts : undefined;
}

const usualOf = ({ fallback, kind }: Field): unknown => fallback ?? (kind === "pairs" ? {} : null);

function variantOf(value: Values, { variants }: Field & { kind: "variants" }): unknown {
  const chosen = variants.find((variant) => variant.name === value.name);
  const settings = valuesOf(value, chosen?.fields ?? []);
  const isUsual = chosen === variants[0] && Object.keys(settings).length === 0;
  return isUsual ? undefined : { name: value.name, ...settings };
}
