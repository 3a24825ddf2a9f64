import { useEffect } from "preact/hooks";
import type { Job, Page, Worker } from "../api/types.ts";
import { useAnswer } from "../api/watch.ts";
import { now } from "../clock.ts";
import { age, bytes, plural } from "../format.ts";
import { nameOf } from "../parts/jobs_table.tsx";
import { Link } from "../parts/link.tsx";
import { Panel } from "../parts/panel.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { ProgressBar } from "../parts/status.tsx";
import { title } from "../parts/title.ts";

const EVERY = 3;

/** The workers: which are there, what they train on, and what is running. */
export function DevicesPage() {
  useEffect(() => title("Workers"), []);
  const answer = useAnswer<Page<Worker>>("/v1/devices", () => EVERY);
  const running = useAnswer<Page<Job>>("/v1/jobs?status=running&limit=50", () => EVERY).value.value?.data ?? [];
  const workers = answer.value.value?.data;
  const alive = workers?.filter((worker) => worker.alive) ?? [];
  const gone = workers?.filter((worker) => !worker.alive) ?? [];
  return (
    <>
      <div class="page-head">
        <h1>Workers</h1>
        {workers && <p class="faint">{plural(alive.length, "worker")} at work</p>}
      </div>
      {answer.problem.value && <ProblemBox problem={answer.problem.value} />}
      {workers && alive.length === 0 && (
        <div class="notice">
          <strong>No worker is running.</strong> This command starts one: <code>slope worker</code>
        </div>
      )}
      <div class="panels">
        {alive.map((worker) => (
          <WorkerPanel key={worker.id} worker={worker} />
        ))}
        {running.length > 0 && <Running jobs={running} />}
        {gone.length > 0 && <Gone workers={gone} />}
      </div>
    </>
  );
}

function WorkerPanel({ worker }: { worker: Worker }) {
  return (
    <Panel title={`${worker.hostname}, process ${worker.process_id}`}>
      <dl class="facts">
        {worker.devices.map((device) => (
          <div key={device.name}>
            <dt>{device.name}</dt>
            <dd>{device.description}</dd>
          </div>
        ))}
        <div>
          <dt>Trains at the same time</dt>
          <dd>{plural(worker.slots, "job")}</dd>
        </div>
        <div>
          <dt>Memory that one training may take</dt>
          <dd>{bytes(worker.memory)}</dd>
        </div>
        <div>
          <dt>Hears of new jobs</dt>
          <dd>
            {worker.hears_broker ? "immediately, from the broker" : "by looking into the database: the broker is away"}
          </dd>
        </div>
        <div>
          <dt>Started</dt>
          <dd>{age(worker.started_at, now.value)}</dd>
        </div>
        <div>
          <dt>Version</dt>
          <dd>{worker.version}</dd>
        </div>
      </dl>
    </Panel>
  );
}

function Running({ jobs }: { jobs: Job[] }) {
  return (
    <Panel title="Running now">
      <ul class="rows">
        {jobs.map((job) => (
          <li key={job.id}>
            <Link to={`/jobs/${job.id}`}>{nameOf(job)}</Link> <ProgressBar job={job} />
            <span class="faint">{job.assigned_device}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Gone({ workers }: { workers: Worker[] }) {
  return (
    <Panel title="Gone, in the last day">
      <ul class="rows">
        {workers.map((worker) => (
          <li key={worker.id}>
            {worker.hostname}, process {worker.process_id}:{" "}
            {worker.stopped_at
              ? `left ${age(worker.stopped_at, now.value)}`
              : `no sign of life since ${age(worker.seen_at, now.value)}`}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
