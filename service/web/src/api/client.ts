// Calls of the API. What it refuses is thrown as a Problem, and so is its absence.

import { askForKey, root } from "../address.ts";
import { keptAnswer, reportOf } from "../kept.ts";
import { untilVisible } from "../visible.ts";
import { spend } from "./pace.ts";
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

  /** Whether it may be over when one asks again: the service, or what it depends on, is away or has much to do. */
  get isPassing(): boolean {
    return [0, 429, 502, 503, 504].includes(this.status);
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

/** What nobody waits for is given up after this long, and asked for again in its turn. */
const PATIENCE_SECONDS = 30;

interface Call {
  body?: BodyInit;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

async function call<T>(method: string, to: string, { headers, ...others }: Call = {}): Promise<T> {
  const init: RequestInit = {
    method,
    headers: { Accept: "application/json", ...headers },
    cache: "no-cache",
    ...others,
  };
  const answer = await fetch(root + to, init).catch(() => {
    throw new Problem(UNREACHABLE);
  });
  if (answer.status === 204) return undefined as T;
  const content = await answer.json().catch(() => {
    if (answer.ok) throw new Problem(UNREACHABLE); // it ended in the middle
    throw new Problem({ ...UNREACHABLE, status: answer.status, detail: `The service answered ${answer.status}.` });
  });
  if (answer.status === 401) askForKey();
  if (!answer.ok) throw new Problem(content as ProblemDetails);
  return content as T;
}

const begun = new Map<string, Promise<unknown>>();

/** Ask for what the page is about to ask for. The first who does is given the answer; what fails is asked for anew. */
export function getAhead(to: string): void {
  const answer = get(to);
  begun.set(to, answer);
  answer.catch(() => begun.delete(to));
}

export function get<T>(to: string): Promise<T> {
  if (reportOf !== null) return kept(to);
  const answer = begun.get(to);
  if (answer) {
    begun.delete(to);
    return answer as Promise<T>;
  }
  spend();
  return call("GET", to);
}

/** Ask for what the page follows by itself: not too often, whatever there is to follow, and only while it is seen. */
export async function getInTurn<T>(to: string): Promise<T> {
  if (reportOf !== null) return kept(to);
  const wait = spend();
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  await untilVisible();
  return call("GET", to, { signal: AbortSignal.timeout(1000 * PATIENCE_SECONDS) });
}

/** What a report has no answer for is missing, as if the service did not have it. */
async function kept<T>(to: string): Promise<T> {
  const found = keptAnswer(to);
  if (found === undefined) throw new Problem(NOT_KEPT);
  return found as T;
}

export const remove = <T>(to: string): Promise<T> => call("DELETE", to);
export const post = <T>(to: string, body?: unknown): Promise<T> =>
  body === undefined ? call("POST", to) : call("POST", to, json(body));
export const patch = <T>(to: string, body: unknown): Promise<T> => call("PATCH", to, json(body));

const json = (body: unknown): Call => ({
  body: JSON.stringify(body),
  headers: { "Content-Type": "application/json" },
});

/** Send a file as it is; a form tells the server its name, from which it knows the format. */
export function upload<T>(to: string, file: File): Promise<T> {
  const form = new FormData();
  form.append("file", file);
  return call("POST", to, { body: form });
}

/** A query of those parameters that have a value. */
export function withQuery(
  to: string,
  parameters: Record<string, string | number | boolean | readonly string[] | null | undefined>,
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === "") continue;
    for (const each of Array.isArray(value) ? value : [value]) query.append(name, String(each));
  }
  return query.size ? `${to}?${query}` : to;
}
