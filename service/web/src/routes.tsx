// Which page is at which address. The server answers all of them with the same document.

import type { ComponentChild } from "preact";
import { ComparePage } from "./pages/compare.tsx";
import { DatasetPage } from "./pages/dataset.tsx";
import { DatasetsPage } from "./pages/datasets.tsx";
import { DevicesPage } from "./pages/devices.tsx";
import { JobPage } from "./pages/job.tsx";
import { JobsPage } from "./pages/jobs.tsx";
import { LabPage } from "./pages/lab.tsx";
import { NewJobPage } from "./pages/new_job.tsx";
import { SignInPage } from "./pages/sign_in.tsx";
import { StepPage } from "./pages/step.tsx";
import { SweepPage } from "./pages/sweep.tsx";
import { SweepsPage } from "./pages/sweeps.tsx";

type Draw = (parts: string[]) => ComponentChild;

const ROUTES: [RegExp, Draw][] = [
  [/^\/$/, () => <JobsPage />],
  [/^\/jobs\/new$/, () => <NewJobPage />],
  [/^\/datasets$/, () => <DatasetsPage />],
  [/^\/datasets\/([^/]+)$/, ([id = ""]) => <DatasetPage key={id} id={id} />],
  [/^\/devices$/, () => <DevicesPage />],
  [/^\/sweeps$/, () => <SweepsPage />],
  [/^\/sweeps\/([^/]+)$/, ([id = ""]) => <SweepPage key={id} id={id} />],
  [/^\/compare$/, () => <ComparePage />],
  [/^\/lab$/, () => <LabPage />],
  [/^\/sign-in$/, () => <SignInPage />],
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
