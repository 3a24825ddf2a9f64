// Which page is at which address. The server answers all of them with the same document.

import type { ComponentChild } from "preact";
import { JobPage } from "./pages/job.tsx";
import { JobsPage } from "./pages/jobs.tsx";
import { NewJobPage } from "./pages/new_job.tsx";
import { StepPage } from "./pages/step.tsx";

type Draw = (parts: string[]) => ComponentChild;

const ROUTES: [RegExp, Draw][] = [
  [/^\/$/, () => <JobsPage />],
  [/^\/jobs\/new$/, () => <NewJobPage />],
  [/^\/jobs\/([^/]+)$/, ([id = ""]) => <JobPage key={id} id={id} />],
  [
    /^\/jobs\/([^/]+)\/epochs\/(\d+)\/steps\/(\d+)$/,
    ([id = "", epoch, step]) => <StepPage id={id} epoch={Number(epoch)} step={Number(step)} />,
  ],
];

export function pageAt(path: string): ComponentChild | null {
  for (const [pattern, draw] of ROUTES) {
    const found = path.match(pattern);
    if (found) return draw(found.slice(1).map(decodeURIComponent));
  }
  return null;
}
