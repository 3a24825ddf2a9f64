import { useEffect, useId } from "preact/hooks";
import { query, setQuery } from "../address.ts";
import { withQuery } from "../api/client.ts";
import type { Sweep } from "../api/types.ts";
import { useAnswer } from "../api/watch.ts";
import { Frame, roomy, scales, useWidth } from "../charts/axes.tsx";
import { count, number } from "../format.ts";
import { DataTable } from "../parts/data_table.tsx";
import { Link } from "../parts/link.tsx";
import { Missing } from "../parts/missing.tsx";
import { Panel } from "../parts/panel.tsx";
import { StatusMark } from "../parts/status.tsx";
import { title } from "../parts/title.ts";
import { sweepName } from "./sweeps.tsx";
import "./sweep.css";

const LIMIT = 1000;

type Ranked = Sweep["ranking"]["data"][number];

export function SweepPage({ id }: { id: string }) {
  const answer = useAnswer<Sweep>(withQuery(`/v1/sweeps/${id}`, { limit: LIMIT }), (sweep) =>
    sweep && sweep.progress.jobs_ended < sweep.progress.jobs ? 2 : null,
  );
  const sweep = answer.value.value;
  useEffect(() => title(sweep ? sweepName(sweep) : "Sweep"), [sweep?.id]);
  if (!sweep) return <Missing what="Sweep" problem={answer.problem.value} to="/sweeps" all="Sweeps" />;
  const ranking = sweep.ranking.data;
  const best = ranking[0];
  return (
    <>
      <p class="crumbs">
        <Link to="/sweeps">Sweeps</Link>
      </p>
      <div class="page-head">
        <h1>{sweepName(sweep)}</h1>
      </div>
      <p class="job-line">
        {count(sweep.progress.jobs_ended)} of {count(sweep.progress.jobs)} jobs have ended
        {Object.entries(sweep.counts).map(([status, many]) => ` · ${many} ${status}`)}
      </p>
      {best && (
        <p class="best">
          Best so far: <Link to={`/jobs/${best.job_id}`}>{settingsOf(best)}</Link> with a{" "}
          {sweep.ranked_by.replaceAll("_", " ")} of <b>{number(lossOf(sweep, best))}</b>
        </p>
      )}
      {ranking.length > 0 && <Scatter sweep={sweep} />}
      <Panel title="Ranking">
        <DataTable
          caption="Ranking"
          columns={[
            "rank",
            ...sweep.swept.map((name) => name.replaceAll("_", " ")),
            sweep.ranked_by.replaceAll("_", " "),
            "status",
            "job",
          ]}
          length={ranking.length}
          row={(index) => {
            const job = ranking[index];
            if (!job) return [];
            return [
              index + 1,
              ...sweep.swept.map((name) => written(settingOf(job, name))),
              number(lossOf(sweep, job)),
              <StatusMark key="status" status={job.status} />,
              <Link key="job" to={`/jobs/${job.job_id}`}>
                open
              </Link>,
            ];
          }}
        />
        {sweep.ranking.next && <p class="faint">The first {count(ranking.length)}.</p>}
      </Panel>
    </>
  );
}

const settingOf = (job: Ranked, name: string): unknown => (job.settings as Record<string, unknown>)[name];
const written = (value: unknown): string => (typeof value === "number" ? number(value) : JSON.stringify(value));
const settingsOf = (job: Ranked): string =>
  Object.entries(job.settings)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${written(value)}`)
    .join(", ");

/** The number that the ranking goes by. */
function lossOf(sweep: Sweep, { loss }: Ranked): number | null {
  switch (sweep.ranked_by) {
    case "validation_loss":
      return loss.validation;
    case "cross_validation":
      return loss.cross_validation;
    case "training_loss":
      return loss.training ?? loss.last; // while it trains
    default:
      return loss.last;
  }
}

/** A hyperparameter against the loss: where it is best, and where it breaks. */
function Scatter({ sweep }: { sweep: Sweep }) {
  const clip = useId();
  const box = useWidth();
  const numeric = sweep.swept.filter((name) =>
    sweep.ranking.data.some((job) => typeof settingOf(job, name) === "number"),
  );
  const name = query.value.get("by") ?? (numeric.includes("learning_rate") ? "learning_rate" : numeric[0]);
  if (!name || !numeric.includes(name)) return null;
  const points = sweep.ranking.data.flatMap((job) => {
    const [value, loss] = [settingOf(job, name), lossOf(sweep, job)];
    return typeof value === "number" && loss !== null ? [{ job, value, loss }] : [];
  });
  const isLogarithmic = points.every((point) => point.value > 0 && point.loss > 0);
  const drawn = (value: number) => (isLogarithmic ? Math.log10(value) : value);
  const scale = scales(
    roomy(points.map((point) => drawn(point.value))),
    roomy(points.map((point) => drawn(point.loss))),
    box.width,
  );
  const format = isLogarithmic ? (tick: number) => number(10 ** tick, 3) : undefined;
  return (
    <Panel
      title={`${name.replaceAll("_", " ")} against loss`}
      controls={
        numeric.length > 1 && (
          <select
            aria-label="Hyperparameter"
            value={name}
            onChange={(event) => setQuery({ by: event.currentTarget.value })}
          >
            {numeric.map((each) => (
              <option key={each} value={each}>
                {each.replaceAll("_", " ")}
              </option>
            ))}
          </select>
        )
      }
    >
      <Frame
        {...box}
        {...scale}
        {...{ clip, format }}
        xName={name.replaceAll("_", " ")}
        yName="loss"
        label={`The loss of ${points.length} jobs by ${name}`}
      >
        <g class="points">
          {points.map(({ job, value, loss }, index) => (
            <circle
              key={job.job_id}
              class={index === 0 ? "best-point" : ""}
              cx={scale.x(drawn(value))}
              cy={scale.y(drawn(loss))}
              r={index === 0 ? 7 : 4.5}
            >
              <title>{settingsOf(job)}</title>
            </circle>
          ))}
        </g>
      </Frame>
    </Panel>
  );
}
