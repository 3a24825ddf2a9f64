// Calls of the API. What it refuses is thrown as a Problem, and so is its absence.

import { root } from "../address.ts";
import { keptAnswer, reportOf } from "../kept.ts";
import type { ProblemDetails } from "./types.ts";

export class Problem extends Error {
  readonly details: ProblemDetails;

  constructor(details: ProblemDetails) {
    super(details.detail);
    this.details = details;
  }

  get status(): number {
    return this.details.status;
  }
}

const UNREACHABLE: ProblemDetails = {
  type: "about:blank",
  title: "The service does not answer",
  status: 0,
  detail: "The service does not answer. It may be restarting: this page asks again by itself.",
};

const NOT_KEPT: ProblemDetails = {
  type: "about:blank",
  title: "Not in this report",
  status: 404,
  detail: "This report does not hold it: the service that made it does.",
};

async function call<T>(method: string, to: string, body?: BodyInit, headers: Record<string, string> = {}): Promise<T> {
  const init: RequestInit = { method, headers: { Accept: "application/json", ...headers }, cache: "no-cache" };
  if (body !== undefined) init.body = body;
  const answer = await fetch(root + to, init).catch(() => {
    throw new Problem(UNREACHABLE);
  });
  if (answer.status === 204) return undefined as T;
  const content = await answer.json().catch(() => {
    throw new Problem({ ...UNREACHABLE, status: answer.status, detail: `The service answered ${answer.status}.` });
  });
  if (!answer.ok) throw new Problem(content as ProblemDetails);
  return content as T;
}

export const get = <T>(to: string): Promise<T> => (reportOf === null ? call("GET", to) : kept(to));

/** What a report has no answer for is missing, as if the service did not have it. */
async function kept<T>(to: string): Promise<T> {
  const found = keptAnswer(to);
  if (found === undefined) throw new Problem(NOT_KEPT);
  return found as T;
}

export const remove = <T>(to: string): Promise<T> => call("DELETE", to);
export const post = <T>(to: string, body?: unknown): Promise<T> =>
  body === undefined
    ? call("POST", to)
    : call("POST", to, JSON.stringify(body), { "Content-Type": "application/json" });
export const patch = <T>(to: string, body: unknown): Promise<T> =>
  call("PATCH", to, JSON.stringify(body), { "Content-Type": "application/json" });

/** Send a file as it is; a form tells the server its name, from which it knows the format. */
export function upload<T>(to: string, file: File): Promise<T> {
  const form = new FormData();
  form.append("file", file);
  return call("POST", to, form);
}

/** A query of those parameters that have a value. */
export function withQuery(
  to: string,
  parameters: Record<string, string | number | boolean | null | undefined>,
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  return query.size ? `${to}?${query}` : to;
}
