// Uses the types that openapi-typescript made: node program.ts URL. What it finds it prints as JSON.

import type { components, paths } from "./slope.ts";

declare const process: { argv: string[] };

type Schemas = components["schemas"];
type Filter = NonNullable<paths["/v1/jobs"]["get"]["parameters"]["query"]>;

async function ask<Answer>(path: string, body?: unknown): Promise<Answer | Schemas["ProblemView"]> {
  const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const headers = { "Content-Type": "application/json", Prefer: "wait=60" };
  const answer = await fetch(process.argv[2] + path, { ...sent, headers });
  return (await answer.json()) as Answer | Schemas["ProblemView"];
}

const request: Schemas["JobRequest"] = {
  dataset: { x: [1, 2, 3], y: [2, 4, 6] },
  hyperparameters: { epochs: 5, batch_size: "full", optimizer: { name: "adam", betas: [0.9, 0.99] } },
  metadata: { made: "by openapi-typescript" },
};

// @ts-expect-error a kind is told by its name
const nameless: Schemas["JobRequest"] = { ...request, hyperparameters: { optimizer: { betas: [0.9, 0.99] } } };
// @ts-expect-error there is no such status
const unknown: Filter = { status: ["finished"] };
const filter: Filter = { status: ["succeeded", "failed"], metadata: { made: "by openapi-typescript" } };

const job = await ask<Schemas["JobView"]>("/v1/jobs", request);
if (!("progress" in job)) throw new Error(job.detail);
const query = Object.entries(filter.metadata ?? {}).map(([key, value]) => `metadata[${key}]=${value}`);
const jobs = await ask<Schemas["Page_JobView_"]>(`/v1/jobs?${query.join("&")}&status=succeeded`);
const refused = await ask<Schemas["JobView"]>("/v1/jobs", nameless);

console.log(
  JSON.stringify({
    status: job.status satisfies "queued" | "running" | "paused" | "succeeded" | "failed" | "cancelled",
    optimizer: job.hyperparameters.optimizer?.name,
    found: "data" in jobs && jobs.data.map((each) => each.id).includes(job.id),
    refused: "errors" in refused && refused.errors?.map((each) => each.pointer),
    unknown: unknown.status,
  }),
);
