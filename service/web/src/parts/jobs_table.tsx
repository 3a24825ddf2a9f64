import { useEffect } from "preact/hooks";
import type { Job } from "../api/types.ts";
import { Sparkline } from "../charts/sparkline.tsx";
import { number, plural, seconds } from "../format.ts";
import { sparklines, wantNoSparklines, wantSparklines } from "../job/sparklines.ts";
import { Ago } from "./ago.tsx";
import { Link } from "./link.tsx";
import { OwnerNote } from "./owner.tsx";
import { ProgressBar, StatusMark } from "./status.tsx";
import "./jobs_table.css";

interface JobsTableProps {
  jobs: Job[];
  chosen?: ReadonlySet<string>;
  onChoose?: (ids: ReadonlySet<string>) => void;
}

export function JobsTable({ jobs, chosen = new Set(), onChoose }: JobsTableProps) {
  useEffect(() => wantSparklines(jobs), [jobs]);
  useEffect(() => wantNoSparklines, []);
  function toggle(ids: string[], isChosen: boolean): void {
    const next = new Set(chosen);
    for (const id of ids) isChosen ? next.add(id) : next.delete(id);
    onChoose?.(next);
  }
  const all = jobs.map((job) => job.id);
  return (
    <table class={onChoose ? "jobs" : "jobs unchosen"}>
      <thead>
        <tr>
          {onChoose && (
            <th scope="col">
              <input
                type="checkbox"
                aria-label="Choose all jobs of this page"
                checked={all.every((id) => chosen.has(id))}
                onChange={(event) => toggle(all, event.currentTarget.checked)}
              />
            </th>
          )}
          <th scope="col">Job</th>
          <th scope="col">Status</th>
          <th scope="col">Progress</th>
          <th scope="col">Loss</th>
          <th scope="col" class="right">
            Last loss
          </th>
          <th scope="col" class="right">
            Created
          </th>
        </tr>
      </thead>
      <tbody>
        {jobs.map((job) => (
          <tr key={job.id}>
            {onChoose && (
              <td>
                <input
                  type="checkbox"
                  aria-label={`Choose ${nameOf(job)}`}
                  checked={chosen.has(job.id)}
                  onChange={(event) => toggle([job.id], event.currentTarget.checked)}
                />
              </td>
            )}
            <Cells job={job} />
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Cells({ job }: { job: Job }) {
  const { progress, loss, dataset } = job;
  const values = sparklines.value.get(job.id) ?? [];
  return (
    <>
      <th scope="row" class="cell-name">
        <Link to={`/jobs/${job.id}`}>{nameOf(job)}</Link>
        <small>
          {plural(dataset.rows, "row")} × {plural(dataset.features, "feature")}, {job.hyperparameters.optimizer?.name}
        </small>
        <OwnerNote owner={job.owner} />
      </th>
      <td class="cell-status">
        <StatusMark status={job.status} />
      </td>
      <td class="cell-progress">
        <ProgressBar job={job} />
        <small>
          {number(progress.epochs_done)} / {number(progress.epochs)} epochs
          {progress.eta_seconds !== null && `, ${seconds(progress.eta_seconds)} left`}
        </small>
      </td>
      <td class="cell-sparkline">
        <Sparkline values={values} label={`Loss from ${number(loss.first)} to ${number(loss.last)}`} />
      </td>
      <td class="cell-loss right">{number(loss.last)}</td>
      <td class="cell-age right">
        <Ago at={job.created_at} />
      </td>
    </>
  );
}

export const nameOf = (job: Pick<Job, "id" | "name">): string => job.name ?? `job ${job.id.slice(-6)}`;
