import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { numberIn, query, setQuery } from "../address.ts";
import { get, Problem } from "../api/client.ts";
import type { Epoch, Job, Page } from "../api/types.ts";
import { Curve, type Line } from "../charts/curve.tsx";
import { Legend } from "../charts/legend.tsx";
import { LINES } from "../charts/theme.ts";
import { differences, onOneGrid } from "../compare/differences.ts";
import { number, plural } from "../format.ts";
import { indexAt } from "../job/thinning.ts";
import { TableBehind } from "../parts/data_table.tsx";
import { nameOf } from "../parts/jobs_table.tsx";
import { Link } from "../parts/link.tsx";
import { Choice, Panel } from "../parts/panel.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { StatusMark } from "../parts/status.tsx";
import { title } from "../parts/title.ts";

const MOST = 8;
const POINTS = 400;

interface Run {
  job: Job;
  epochs: Epoch[];
}

export function ComparePage() {
  useEffect(() => title("Compare"), []);
  const asked = query.value.getAll("job");
  const ids = asked.slice(0, MOST);
  const runs = useSignal<Run[]>([]);
  const problems = useSignal<Problem[]>([]);
  useEffect(() => {
    void Promise.allSettled(ids.map(runOf)).then((answers) => {
      runs.value = answers.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
      problems.value = answers.flatMap((each) =>
        "reason" in each && each.reason instanceof Problem ? [each.reason] : [],
      );
    });
  }, [ids.join()]);
  return (
    <>
      <p class="crumbs">
        <Link to="/">Jobs</Link>
      </p>
      <div class="page-head">
        <h1>{ids.length > 0 ? `Compare ${plural(ids.length, "run")}` : "Compare runs"}</h1>
      </div>
      {problems.value.map((problem) => (
        <ProblemBox key={problem.message} problem={problem} />
      ))}
      {asked.length > MOST && (
        <p class="notice">
          The first {MOST} of {asked.length} runs are shown: more lines than that cannot be told apart.
        </p>
      )}
      {ids.length === 0 && <p class="nothing">Choose two to eight jobs in the list, then “Compare”.</p>}
      {runs.value.length > 0 && (
        <>
          <Losses runs={runs.value} />
          <Differences runs={runs.value} />
        </>
      )}
    </>
  );
}

async function runOf(id: string): Promise<Run> {
  const [job, page] = await Promise.all([
    get<Job>(`/v1/jobs/${id}`),
    get<Page<Epoch>>(`/v1/jobs/${id}/epochs?points=${POINTS}`),
  ]);
  return { job, epochs: page.data };
}

function Losses({ runs }: { runs: Run[] }) {
  const scale = query.value.get("scale") ?? "logarithmic";
  const of = query.value.get("of") ?? "loss";
  const value = (epoch: Epoch) =>
    of === "validation" ? epoch.validation_loss : of === "gradient" ? epoch.gradient_norm : epoch.loss;
  const { epochs, values } = onOneGrid(runs.map((run) => run.epochs.map((each) => [each.epoch, value(each)] as const)));
  const lines: Line[] = runs.map((_, index) => ({
    ...(LINES[index] ?? { colour: "ink", dash: [] }),
    name: uniqueName(runs, index),
    values: values[index] ?? [],
  }));
  const last = epochs.at(-1) ?? 0;
  const cursor = Math.min(numberIn("epoch") ?? last, last);
  const [from, to] = [numberIn("from"), numberIn("to")];
  return (
    <Panel
      title="Over the epochs"
      controls={
        <span class="actions">
          <select
            aria-label="What is compared"
            value={of}
            onChange={(event) => setQuery({ of: event.currentTarget.value })}
          >
            <option value="loss">loss</option>
            <option value="validation">validation loss</option>
            <option value="gradient">gradient norm</option>
          </select>
          <Choice
            label="Scale"
            value={scale}
            options={[
              ["linear", "linear"],
              ["logarithmic", "log"],
            ]}
            onChange={(chosen) => setQuery({ scale: chosen })}
          />
        </span>
      }
    >
      <Curve
        label="Runs over epochs"
        {...{ epochs, lines, cursor }}
        isLogarithmic={scale === "logarithmic"}
        stretch={from !== null && to !== null && from < to ? { first: from, last: to } : null}
        onMove={(epoch) => setQuery({ epoch: String(Math.max(0, Math.min(epoch, last))) })}
        onZoom={(stretch) => setQuery({ from: stretch && String(stretch.first), to: stretch && String(stretch.last) })}
        said={`epoch ${cursor}`}
      />
      <p class="faint">At epoch {number(cursor, 9)}:</p>
      <Legend
        lines={lines}
        index={indexAt(
          epochs.map((epoch) => ({ epoch })),
          cursor,
        )}
      />
      <TableBehind
        caption="Runs by epoch"
        columns={["epoch", ...lines.map((line) => line.name)]}
        length={epochs.length}
        row={(index) => [epochs[index], ...lines.map((line) => number(line.values[index], 9))]}
      />
    </Panel>
  );
}

function uniqueName(runs: Run[], index: number): string {
  const job = runs[index]?.job;
  if (!job) return "";
  const isAlone = runs.filter((run) => nameOf(run.job) === nameOf(job)).length === 1;
  return isAlone ? nameOf(job) : `${nameOf(job)} (${index + 1})`;
}

function Differences({ runs }: { runs: Run[] }) {
  const jobs = runs.map((run) => run.job);
  const rows = differences(jobs.map((job) => ({ ...job.hyperparameters, dataset: job.dataset.id.slice(-6) })));
  const results: [string, (job: Job) => string][] = [
    ["last loss", (job) => number(job.loss.last)],
    ["best loss", (job) => number(job.loss.best)],
    ["validation loss", (job) => number(job.loss.validation)],
    ["epochs done", (job) => number(job.progress.epochs_done, 9)],
    ["engine", (job) => job.plan.engine],
  ];
  return (
    <Panel title="What differs">
      <div class="table-scroll" tabIndex={0} role="region" aria-label="What differs, table">
        <table class="numbers">
          <thead>
            <tr>
              <th scope="col">of</th>
              {jobs.map((job, index) => (
                <th scope="col" key={job.id}>
                  <Link to={`/jobs/${job.id}`}>{uniqueName(runs, index)}</Link>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">status</th>
              {jobs.map((job) => (
                <td key={job.id}>
                  <StatusMark status={job.status} />
                </td>
              ))}
            </tr>
            {rows.map(({ name, values }) => (
              <tr key={name}>
                <th scope="row">{name.replaceAll("_", " ")}</th>
                {values.map((value, index) => (
                  <td key={jobs[index]?.id}>{value}</td>
                ))}
              </tr>
            ))}
            {results.map(([name, told]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {jobs.map((job) => (
                  <td key={job.id}>{told(job)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
