// The document is read once, when a form is shown for the first time.

import { get } from "../api/client.ts";
import { fieldsOfRequest, type RequestFields, type Schemas } from "./fields.ts";

let known: Promise<RequestFields> | null = null;

export function requestFields(): Promise<RequestFields> {
  known ??= get<{ components: { schemas: Schemas } }>("/openapi.json")
    .then((document) => fieldsOfRequest(document.components.schemas))
    .catch((error) => {
      known = null;
      throw error;
    });
  return known;
}
