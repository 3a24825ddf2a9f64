import { useSignal } from "@preact/signals";
import { go } from "../address.ts";
import { Problem, post, remove } from "../api/client.ts";
import type { Job } from "../api/types.ts";
import { now } from "../clock.ts";
import { number, plural, seconds } from "../format.ts";
import { reportOf } from "../kept.ts";
import { Changing } from "../parts/changing.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { nameOf } from "../parts/jobs_table.tsx";
import { Link } from "../parts/link.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { ProgressBar, StatusMark } from "../parts/status.tsx";
import { isFinal } from "../statuses.ts";
import { stepWhereItBroke } from "./broken.ts";
import type { JobStore } from "./store.ts";

const STALE_SECONDS = 8;

export function JobHead({ store, job }: { store: JobStore; job: Job }) {
  return (
    <div class="job-head">
      <p class="crumbs" hidden={reportOf !== null}>
        <Link to="/">Jobs</Link>
        {job.sweep_id && (
          <>
            {" "}
            · of <Link to={`/sweeps/${job.sweep_id}`}>a sweep</Link>
          </>
        )}
      </p>
      <div class="page-head">
        <h1>{nameOf(job)}</h1>
        <StatusMark status={job.status} />
        {reportOf === null && (
          <Changing>
            <Actions store={store} job={job} />
          </Changing>
        )}
      </div>
      <p class="job-line">
        {plural(job.dataset.rows, "row")} × {plural(job.dataset.features, "feature")} ·{" "}
        {plural(job.progress.epochs, "epoch")} of {job.hyperparameters.optimizer?.name} at rate{" "}
        {number(job.plan.learning_rate)} · {job.plan.engine} engine
        {job.plan.actual_seconds !== null && ` · ${seconds(job.plan.actual_seconds)} of training`}
      </p>
      <State store={store} job={job} />
      {job.warnings.map((warning) => (
        <p class="notice" key={warning}>
          {warning}
        </p>
      ))}
    </div>
  );
}

/** Where the run is, or why it is not: in a sentence. */
function State({ store, job }: { store: JobStore; job: Job }) {
  const { progress } = job;
  const silent = Math.max(0, (now.value - store.at.value) / 1000);
  return (
    <div role="status">
      {job.status === "running" && (
        <p class="job-progress">
          <ProgressBar job={job} /> Epoch {number(progress.epochs_done, 9)} of {number(progress.epochs, 9)}
          {progress.epochs_per_second !== null && `, ${number(progress.epochs_per_second, 3)} a second`}
          {progress.eta_seconds !== null && `, ${seconds(progress.eta_seconds)} left`}
        </p>
      )}
      {job.status === "queued" && <p class="notice">{job.reason ?? "It waits for a worker."}</p>}
      {job.status === "paused" && <p class="notice">It is paused. Resumed, it goes on to the same bits.</p>}
      {job.error && (
        <div class="problem">
          <strong>{job.error.code.replaceAll("_", " ")}</strong>
          <p>{job.error.detail}</p>
          <BrokenStep job={job} />
        </div>
      )}
      {!isFinal(job.status) && silent > STALE_SECONDS && (
        <p class="notice">Last update {seconds(Math.round(silent))} ago.</p>
      )}
    </div>
  );
}

function BrokenStep({ job }: { job: Job }) {
  const place = stepWhereItBroke(job);
  if (!place) return null;
  return (
    <Link to={`/jobs/${job.id}/epochs/${place.epoch}/steps/${place.step}`}>
      Walk the step where it broke: epoch {number(place.epoch, 9)}, step {number(place.step, 9)}, the{" "}
      {place.isFinite ? "last whose numbers are finite" : "very first"}
    </Link>
  );
}

function Actions({ store, job }: { store: JobStore; job: Job }) {
  const problem = useSignal<Problem | null>(null);
  async function act(call: () => Promise<unknown>): Promise<void> {
    try {
      await call();
      problem.value = null;
      await store.refresh();
    } catch (error) {
      if (error instanceof Problem) problem.value = error;
    }
  }
  async function erase(): Promise<void> {
    await remove(`/v1/jobs/${job.id}`);
    go("/");
  }
  return (
    <div class="actions">
      {["queued", "running"].includes(job.status) && (
        <button type="button" onClick={() => act(() => post(`/v1/jobs/${job.id}/pause`))}>
          Pause
        </button>
      )}
      {job.status === "paused" && (
        <button type="button" class="primary" onClick={() => act(() => post(`/v1/jobs/${job.id}/resume`))}>
          Resume
        </button>
      )}
      {!isFinal(job.status) && (
        <button type="button" onClick={() => act(() => post(`/v1/jobs/${job.id}/cancel`))}>
          Cancel
        </button>
      )}
      <Link to={`/jobs/new?from=${job.id}`} class="button">
        Run again with changes
      </Link>
      {job.status !== "running" && (
        <Confirm action="Delete" question="Delete the job with all its records?" onYes={() => act(erase)} />
      )}
      {problem.value && <ProblemBox problem={problem.value} />}
    </div>
  );
}
