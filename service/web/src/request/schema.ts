// The document is read once, when a form is shown for the first time.

import { get } from "../api/client.ts";
import { type Field, fieldsOf, type Schemas } from "./fields.ts";

let known: Promise<Field[]> | null = null;

export function hyperparameterFields(): Promise<Field[]> {
  known ??= get<{ components: { schemas: Schemas } }>("/openapi.json")
    .then((document) => fieldsOf("TrainingSpec", document.components.schemas))
    .catch((error) => {
      known = null;
      throw error;
    });
  return known;
}
