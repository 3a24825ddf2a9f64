import { useEffect, useMemo } from "preact/hooks";
import { openJob } from "../ahead.ts";
import { Charts } from "../job/charts.tsx";
import { Facts } from "../job/facts.tsx";
import { JobHead } from "../job/head.tsx";
import { Scrubber } from "../job/scrubber.tsx";
import { Afterwards } from "../parts/afterwards.tsx";
import { nameOf } from "../parts/jobs_table.tsx";
import { Missing } from "../parts/missing.tsx";
import { title } from "../parts/title.ts";
import "../job/job.css";

export function JobPage({ id }: { id: string }) {
  const { store, close } = useMemo(() => openJob(id), [id]);
  useEffect(() => close, [close]);
  const job = store.job.value;
  const problem = store.problem.value;
  useEffect(() => title(job ? nameOf(job) : "Job"), [job?.name]);
  if (!job) return <Missing what="Job" problem={problem} to="/" all="Jobs" />;
  const hasRecords = store.records.drawn.value.length > 0;
  return (
    <>
      <JobHead store={store} job={job} />
      {hasRecords && <Scrubber store={store} job={job} />}
      <div class="panels">
        {hasRecords && <Charts store={store} job={job} />}
        <Afterwards>
          <Facts store={store} job={job} />
        </Afterwards>
      </div>
    </>
  );
}
