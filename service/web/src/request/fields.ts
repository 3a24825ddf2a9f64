// The fields of the form, as the OpenAPI document describes a request: their kinds, defaults and lines of help.

export interface Schema {
  $ref?: string;
  type?: string;
  const?: string;
  enum?: string[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  items?: Schema;
  default?: unknown;
  description?: string;
}

export type Field = { name: string; help: string; fallback: unknown } & (
  | { kind: "number" | "text" | "words" | "list" | "ranges" | "pairs" }
  | { kind: "switch" }
  | { kind: "choice"; options: string[] }
  | { kind: "several"; options: string[] }
  | { kind: "variants"; variants: { name: string; fields: Field[] }[] }
  | { kind: "group"; fields: Field[]; isOptional: boolean }
);

export type Schemas = Record<string, Schema>;

export function fieldsOf(name: string, schemas: Schemas): Field[] {
  const properties = schemas[name]?.properties ?? {};
  return Object.entries(properties).flatMap(([each, schema]) =>
    schema.const === undefined ? [fieldOf(each, schema, schemas)] : [],
  );
}

function fieldOf(name: string, schema: Schema, schemas: Schemas): Field {
  const common = { name, help: schema.description ?? "", fallback: schema.default };
  const kinds = (schema.anyOf ?? schema.oneOf ?? [schema]).flatMap((each) => each.oneOf ?? [each]);
  const objects = kinds.filter((each) => each.$ref);
  if (objects.length > 1)
    return { ...common, kind: "variants", variants: objects.map((each) => variantOf(each, schemas)) };
  if (objects[0]) {
    const isOptional = kinds.some((each) => each.type === "null");
    return { ...common, kind: "group", fields: fieldsOf(referred(objects[0]), schemas), isOptional };
  }
  if (schema.type === "boolean") return { ...common, kind: "switch" };
  if (schema.type === "string" && schema.enum) return { ...common, kind: "choice", options: schema.enum };
  if (schema.type === "array" && schema.items?.enum) return { ...common, kind: "several", options: schema.items.enum };
  return { ...common, kind: kindOf(kinds) };
}

/** What is typed there: `text` is a number or a word of a few. */
function kindOf(kinds: Schema[]): "number" | "text" | "words" | "list" | "ranges" | "pairs" {
  const list = kinds.find((each) => each.type === "array");
  if (list) return list.items?.type === "array" ? "ranges" : "list";
  if (kinds.some((each) => each.type === "object")) return "pairs";
  if (kinds.some((each) => each.enum)) return "text";
  return kinds.some((each) => each.type === "string") ? "words" : "number";
}

function variantOf(schema: Schema, schemas: Schemas): { name: string; fields: Field[] } {
  const name = referred(schema);
  return { name: schemas[name]?.properties?.name?.const ?? name.toLowerCase(), fields: fieldsOf(name, schemas) };
}

const referred = (schema: Schema): string => schema.$ref?.split("/").at(-1) ?? "";

export interface RequestFields {
  hyperparameters: Field[];
  /** What a request has besides its data, its hyperparameters and its points. */
  besides: Field[];
}

/** Parts of a request that the form has a place of its own for. */
const DRAWN_APART = ["dataset", "hyperparameters", "predict"];

export function fieldsOfRequest(schemas: Schemas): RequestFields {
  const besides = fieldsOf("JobRequest", schemas).filter(({ name }) => !DRAWN_APART.includes(name));
  return { hyperparameters: fieldsOf("TrainingSpec", schemas), besides };
}
