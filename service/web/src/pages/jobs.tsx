import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { go, query, setQuery } from "../address.ts";
import { Problem, post } from "../api/client.ts";
import type { Job, Page, Worker } from "../api/types.ts";
import { type Answer, useAnswer } from "../api/watch.ts";
import { LECTURE } from "../job/lecture.ts";
import { isWithSweeps, LIMIT, listedJobs } from "../listed.ts";
import { BulkActions } from "../parts/bulk.tsx";
import { Changing } from "../parts/changing.tsx";
import { JobsTable } from "../parts/jobs_table.tsx";
import { Link } from "../parts/link.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { title } from "../parts/title.ts";
import { isFinal } from "../statuses.ts";
import "./jobs.css";

const STATUSES = ["queued", "running", "paused", "succeeded", "failed", "cancelled"];
const SORTS = [
  ["-created", "Newest first"],
  ["created", "Oldest first"],
  ["loss", "Smallest loss"],
  ["validation", "Smallest validation loss"],
  ["-seconds", "Longest training"],
  ["-finished", "Last finished"],
] as const;

export function JobsPage() {
  useEffect(() => title("Jobs"), []);
  const asked = query.value;
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  const jobs = useAnswer<Page<Job>>(listedJobs(asked), (page) =>
    page?.data.some((job) => !isFinal(job.status)) ? 1 : 5,
  );
  const page = jobs.value.value;
  const isFiltered = ["q", "status", "after"].some((name) => asked.get(name));
  return (
    <>
      <div class="page-head">
        <h1>Jobs</h1>
        <Link to="/jobs/new" class="button primary">
          New job
        </Link>
      </div>
      {jobs.problem.value && <ProblemBox problem={jobs.problem.value} />}
      <NoWorker jobs={page?.data ?? []} />
      {page && page.data.length === 0 && !isFiltered ? (
        <Empty isWithSweeps={isWithSweeps(asked)} />
      ) : (
        <>
          <Filters />
          <BulkActions chosen={chosen} onDone={jobs.again} />
          <List page={page} chosen={chosen} answer={jobs} />
        </>
      )}
    </>
  );
}

interface ListProps {
  page: Page<Job> | undefined;
  chosen: { value: ReadonlySet<string> };
  answer: Answer<Page<Job>>;
}

function List({ page, chosen }: ListProps) {
  if (!page) return <div class="reserved" />;
  if (page.data.length === 0) return <p class="nothing">No job is like that.</p>;
  const isFurther = query.value.get("after") !== null;
  return (
    <>
      <JobsTable jobs={page.data} chosen={chosen.value} onChoose={(ids) => (chosen.value = ids)} />
      <p class="pager">
        {isFurther && (
          <button type="button" onClick={() => setQuery({ after: null })}>
            First page
          </button>
        )}
        {page.next && (
          <button type="button" onClick={() => setQuery({ after: page.next })}>
            Next {LIMIT}
          </button>
        )}
      </p>
    </>
  );
}

function Filters() {
  const asked = query.value;
  return (
    <search class="filters">
      <label class="captioned">
        <span>Search</span>
        <input
          type="search"
          value={asked.get("q") ?? ""}
          placeholder="Name or metadata"
          maxLength={200}
          onInput={(event) => setQuery({ q: event.currentTarget.value || null, after: null })}
        />
      </label>
      <label class="captioned">
        <span>Status</span>
        <select
          value={asked.get("status") ?? ""}
          onChange={(event) => setQuery({ status: event.currentTarget.value || null, after: null })}
        >
          <option value="">Any</option>
          {STATUSES.map((status) => (
            <option key={status}>{status}</option>
          ))}
        </select>
      </label>
      <label class="captioned">
        <span>Order</span>
        <select
          value={asked.get("sort") ?? "-created"}
          onChange={(event) => setQuery({ sort: event.currentTarget.value, after: null })}
        >
          {SORTS.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={asked.get("sweeps") === "1"}
          onChange={(event) => setQuery({ sweeps: event.currentTarget.checked ? "1" : null, after: null })}
        />
        Those of sweeps, too
      </label>
    </search>
  );
}

/** Nothing was trained yet, or only sweeps were. */
function Empty({ isWithSweeps }: { isWithSweeps: boolean }) {
  const others = useAnswer<Page<Job>>(isWithSweeps ? null : "/v1/jobs?limit=1").value.value;
  if (!isWithSweeps && !others) return <div class="reserved" />;
  if (!others?.data.length) return <Welcome />;
  return (
    <p class="nothing">
      All jobs are parts of <Link to="/sweeps">sweeps</Link>.{" "}
      <button type="button" onClick={() => setQuery({ sweeps: "1" })}>
        Show them
      </button>
    </p>
  );
}

function Welcome() {
  return (
    <section class="welcome">
      <h2>Nothing has been trained yet</h2>
      <p>
        The lecture’s job fits <i>y = x·w</i> to the points (1, 2), (2, 4), (3, 6), from w = 1 with the rate 0.01: ten
        epochs, thirty steps, and every gradient of them to look at.
      </p>
      <LectureButton />
      <p>
        Or <Link to="/jobs/new">train on data of your own</Link>.
      </p>
    </section>
  );
}

export function LectureButton() {
  const problem = useSignal<Problem | null>(null);
  const isBusy = useSignal(false);
  async function train(): Promise<void> {
    isBusy.value = true;
    try {
      const job = await post<Job>("/v1/jobs", LECTURE);
      go(`/jobs/${job.id}`);
    } catch (error) {
      if (error instanceof Problem) problem.value = error;
    }
    isBusy.value = false;
  }
  return (
    <Changing>
      <button type="button" class="primary" disabled={isBusy.value} onClick={train}>
        Train the lecture’s job
      </button>
      {problem.value && <ProblemBox problem={problem.value} />}
    </Changing>
  );
}

/** Where jobs wait and nobody is there to train them, the command that starts somebody. */
function NoWorker({ jobs }: { jobs: Job[] }) {
  const waits = jobs.some((job) => job.status === "queued") || jobs.length === 0;
  const workers = useAnswer<Page<Worker>>(waits ? "/v1/devices" : null, () => 5).value.value;
  if (!waits || !workers || workers.data.some((worker) => worker.alive)) return null;
  return (
    <div class="notice" role="status">
      <strong>No worker is running.</strong> Jobs wait until one is there. This command starts one:{" "}
      <code>slope worker</code>
    </div>
  );
}
