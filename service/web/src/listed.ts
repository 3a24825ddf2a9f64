// Which jobs the first page lists, by its query.

import { withQuery } from "./api/client.ts";

export const LIMIT = 25;

export const isWithSweeps = (query: URLSearchParams): boolean => query.get("sweeps") === "1";

export function listedJobs(query: URLSearchParams): string {
  return withQuery("/v1/jobs", {
    q: query.get("q"),
    status: query.get("status"),
    sort: query.get("sort"),
    after: query.get("after"),
    in_sweep: isWithSweeps(query) ? null : "false",
    limit: LIMIT,
  });
}
