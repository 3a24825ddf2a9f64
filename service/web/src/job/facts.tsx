import { root } from "../address.ts";
import type { Job } from "../api/types.ts";
import { bytes, count, number, seconds } from "../format.ts";
import { reportOf } from "../kept.ts";
import { FactList, Panel } from "../parts/panel.tsx";
import { Events } from "./events.tsx";
import { InfluencePanel } from "./influence.tsx";
import { MetricsPanel } from "./metrics.tsx";
import { Predictions } from "./predictions.tsx";
import { Repeat } from "./repeat.tsx";
import { hasStatistics, StatisticsPanel } from "./statistics.tsx";
import { Steps } from "./steps.tsx";
import type { JobStore } from "./store.ts";

export function Facts({ store, job }: { store: JobStore; job: Job }) {
  const hasRecords = store.records.last >= 0;
  return (
    <>
      {hasRecords && <Steps store={store} job={job} />}
      {hasRecords && <Predictions store={store} job={job} />}
      <MetricsPanel job={job} />
      <Truth job={job} />
      {hasStatistics(job) && <StatisticsPanel job={job} />}
      {hasStatistics(job) && <InfluencePanel job={job} />}
      <Plan job={job} />
      <Events store={store} job={job} />
      {reportOf === null && (
        <>
          <Repeat job={job} />
          <Downloads job={job} />
        </>
      )}
    </>
  );
}

/** What is known of the data without any training, and how near the run came to it. */
function Truth({ job }: { job: Job }) {
  const { analysis } = job;
  if (!analysis) return null;
  const { exact, reached } = analysis;
  const least = exact && job.hyperparameters.loss === "squared_error";
  const facts: [string, string][] = [
    ["Rank", `${analysis.rank} of ${analysis.columns} parameters`],
    [analysis.r_squared_kind === "uncentred" ? "R² (uncentred)" : "R²", number(analysis.r_squared)],
    ["Condition number", number(analysis.condition_number)],
    ["Largest stable rate, full batch", number(analysis.max_stable_learning_rate)],
    ["Largest stable rate, row by row", number(analysis.max_stable_learning_rate_per_row)],
  ];
  if (least) facts.unshift(["Exact loss", number(exact.loss)]);
  if (reached) {
    facts.push(["Loss of the run above it", number(reached.excess_loss)]);
    if (reached.epochs_to_go !== null)
      facts.push(["Epochs to go to within 1 % of a standard error", count(reached.epochs_to_go)]);
  }
  return (
    <Panel title="The exact solution">
      <FactList facts={facts} />
      {analysis.notes.map((note) => (
        <p class="faint" key={note}>
          {note}
        </p>
      ))}
    </Panel>
  );
}

function Plan({ job }: { job: Job }) {
  const { plan } = job;
  const facts: [string, string][] = [
    ["Engine", plan.engine],
    ["Steps", count(plan.steps)],
    ["Every step recorded", plan.steps_recorded ? "yes" : "no: each is replayed when it is asked for"],
    [
      "Recorded",
      `${count(plan.recorded_numbers)} numbers${plan.recorded_bytes === null ? "" : `, ${bytes(plan.recorded_bytes)}`}`,
    ],
    ["Time, estimated", seconds(plan.estimated_seconds)],
    ["Time, taken", seconds(plan.actual_seconds)],
    ["Device", job.assigned_device ?? job.device],
    ["Attempt", String(job.attempt)],
  ];
  return (
    <Panel title="How it is trained">
      <p>{plan.why}</p>
      {plan.learning_rate_rule && <p>{plan.learning_rate_rule}</p>}
      <FactList facts={facts} />
      <details class="behind">
        <summary>All hyperparameters</summary>
        <dl class="facts">
          {Object.entries(job.hyperparameters).map(([name, value]) => (
            <div key={name}>
              <dt>
                <code>{name}</code>
              </dt>
              <dd>{JSON.stringify(value)}</dd>
            </div>
          ))}
        </dl>
      </details>
    </Panel>
  );
}

function Downloads({ job }: { job: Job }) {
  const base = `${root}/v1/jobs/${job.id}`;
  const files = [
    ["Epochs as CSV", `${base}/epochs?format=csv`],
    ["Epochs as Arrow", `${base}/epochs?format=arrow`],
    ["Report, one file that needs no network", `${base}/report`],
    ["Job as JSON", base],
    ...(job.status === "succeeded"
      ? [
          ["Model as JSON", `${base}/model`],
          ["Model as safetensors", `${base}/model?format=safetensors`],
        ]
      : []),
  ];
  return (
    <Panel title="Downloads">
      <ul class="files">
        {files.map(([name, to]) => (
          <li key={to}>
            <a href={to} download>
              {name}
            </a>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
