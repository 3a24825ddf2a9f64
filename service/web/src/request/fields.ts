// The fields of the form, as the OpenAPI document describes hyperparameters: their kinds, defaults and lines of help.

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
  | { kind: "number" | "text" | "list" }
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
  if (kinds.some((each) => each.type === "array")) return { ...common, kind: "list" };
  return { ...common, kind: kinds.some((each) => each.enum) ? "text" : "number" };
}

function variantOf(schema: Schema, schemas: Schemas): { name: string; fields: Field[] } {
  const name = referred(schema);
  return { name: schemas[name]?.properties?.name?.const ?? name.toLowerCase(), fields: fieldsOf(name, schemas) };
}

const referred = (schema: Schema): string => schema.$ref?.split("/").at(-1) ?? "";

/** What was typed, as JSON has it where it is a number or a list of them; else the words, which the server judges. */
export function typed(text: string, isList = false): unknown {
  const trimmed = text.trim().replaceAll("−", "-");
  if (trimmed === "") return undefined;
  const parts = trimmed.split(/[\s,;]+/).filter(Boolean);
  if (isList && parts.every((part) => Number.isFinite(Number(part)))) return parts.map(Number);
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}
