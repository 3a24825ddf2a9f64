import { useEffect } from "preact/hooks";
import { query, setQuery } from "../address.ts";
import { withQuery } from "../api/client.ts";
import type { Epoch, Job, Page, Step, StepGraph } from "../api/types.ts";
import { useAnswer } from "../api/watch.ts";
import { count } from "../format.ts";
import { stepWhereItBroke } from "../job/broken.ts";
import { reportOf } from "../kept.ts";
import { nameOf } from "../parts/jobs_table.tsx";
import { Link } from "../parts/link.tsx";
import { Panel } from "../parts/panel.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { title } from "../parts/title.ts";
import { Update } from "../walk/update.tsx";
import { Walker } from "../walk/walker.tsx";

interface StepPageProps {
  id: string;
  epoch: number;
  step: number;
}

export function StepPage({ id, epoch, step }: StepPageProps) {
  const base = `/v1/jobs/${id}`;
  const row = query.value.get("row");
  const job = useAnswer<Job>(base).value.value;
  const graph = useAnswer<StepGraph>(withQuery(`${base}/epochs/${epoch}/steps/${step}/graph`, { row }));
  const broken = job ? stepWhereItBroke(job) : null;
  const isRecorded = job !== undefined && broken?.isFinite !== false; // of a first step that broke there is no record
  const stepsAt = withQuery(`${base}/epochs/${epoch}/steps`, { after: step - 1, limit: 2 });
  const steps = useAnswer<Page<Step>>(isRecorded ? stepsAt : null).value.value;
  const record = useAnswer<Page<Epoch>>(withQuery(`${base}/epochs`, { after: epoch - 1, limit: 1 })).value.value
    ?.data[0];
  const shown = graph.value.value;
  const name = job ? nameOf(job) : "job";
  useEffect(() => title(`Epoch ${epoch}, step ${step} of ${name}`), [epoch, step, name]);
  return (
    <>
      <p class="crumbs">
        {reportOf === null && (
          <>
            <Link to="/">Jobs</Link> ›{" "}
          </>
        )}
        <Link to={`/jobs/${id}?epoch=${epoch}`}>{name}</Link>
      </p>
      <div class="page-head">
        <h1>
          Epoch {count(epoch)}, step {count(step)}
        </h1>
        {job && <Neighbours {...{ id, epoch, step, job }} isLast={!isRecorded || steps?.data.length === 1} />}
      </div>
      {graph.problem.value && <ProblemBox problem={graph.problem.value} />}
      {!shown && !graph.problem.value && (
        <div class="reserved tall">
          {job && !job.plan.steps_recorded && (
            <p>The step is being replayed through autograd, from the weights on record.</p>
          )}
        </div>
      )}
      {shown && (
        <>
          <p class="job-line">
            The chain rule, as autograd had it in this step.{" "}
            {shown.rows.length > 1 ? <RowChoice graph={shown} /> : `Its batch is row ${shown.rows[0]}.`}
          </p>
          {job && broken?.epoch === epoch && broken.step === step && (
            <p class="notice">
              Here the run broke: in {broken.isFinite ? "the step after this one" : "this step"} the loss, the gradient
              or the weights are beyond {job.hyperparameters.dtype}.
            </p>
          )}
          {shown.notes.map((note) => (
            <p class="notice" key={note}>
              {note}
            </p>
          ))}
          <Panel title="Forward, then backward">
            <Walker graph={shown} />
          </Panel>
          {job && steps?.data[0] && (
            <Update job={job} record={record ?? null} step={steps.data[0]} next={steps.data[1] ?? null} />
          )}
        </>
      )}
    </>
  );
}

function RowChoice({ graph }: { graph: StepGraph }) {
  return (
    <label>
      Of its batch of {count(graph.rows.length)} rows this one is shown:{" "}
      <select value={graph.row} onChange={(event) => setQuery({ row: event.currentTarget.value, node: null })}>
        {graph.rows.slice(0, 500).map((row) => (
          <option key={row} value={row}>
            row {row}
          </option>
        ))}
      </select>
    </label>
  );
}

interface NeighboursProps extends StepPageProps {
  job: Job;
  /** Whether its epoch has no step after it: it is over, or the run broke there. */
  isLast: boolean;
}

function Neighbours({ id, epoch, step, job, isLast }: NeighboursProps) {
  const last = Math.ceil(job.plan.steps / job.progress.epochs) - 1;
  const at = (e: number, s: number) => `/jobs/${id}/epochs/${e}/steps/${s}${keptQuery()}`;
  const before = step > 0 ? at(epoch, step - 1) : epoch > 0 ? at(epoch - 1, last) : null;
  const isOver = isLast || step >= last;
  const after = !isOver ? at(epoch, step + 1) : epoch + 1 < job.progress.epochs_done ? at(epoch + 1, 0) : null;
  return (
    <nav class="actions" aria-label="Steps">
      {before && (
        <Link to={before} class="button">
          ‹ Step before
        </Link>
      )}
      {after && (
        <Link to={after} class="button">
          Step after ›
        </Link>
      )}
    </nav>
  );
}

/** The node of the walk stays the same from step to step. */
function keptQuery(): string {
  const kept = new URLSearchParams();
  for (const name of ["node", "class"]) {
    const value = query.value.get(name);
    if (value) kept.set(name, value);
  }
  return kept.size ? `?${kept}` : "";
}
