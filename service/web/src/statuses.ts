import type { Status } from "./api/types.ts";

export const isFinal = (status: Status): boolean => ["succeeded", "failed", "cancelled"].includes(status);
