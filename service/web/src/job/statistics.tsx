// How sure the exact solution is: its coefficients with their errors, and what the whole fit explains.

import { useSignal } from "@preact/signals";
import { query, setQuery } from "../address.ts";
import { withQuery } from "../api/client.ts";
import type { Job, Statistics, Underway } from "../api/types.ts";
import { useAnswer } from "../api/watch.ts";
import { count, number, plural } from "../format.ts";
import { reportOf } from "../kept.ts";
import { DataTable } from "../parts/data_table.tsx";
import { FactList, Panel } from "../parts/panel.tsx";
import { isFinal } from "../statuses.ts";

/** Numbers of a dataset that are looked at without being asked. */
const UNASKED = 1_000_000;
export const UNDERWAY_SECONDS = 2;

const COVARIANCES: [string, string][] = [
  ["nonrobust", "all rows equally noisy"],
  ["HC1", "unequally noisy rows (HC1)"],
  ["HC3", "unequally noisy rows (HC3)"],
];

export const isUnderway = (found: object | undefined): found is Underway => found !== undefined && "state" in found;

/** Whether what takes a look at every row is asked for before anyone wants it. */
export const looksUnasked = ({ dataset }: Job): boolean => dataset.rows * (dataset.features + 1) <= UNASKED;

/** Only an exact solution has them, only of a job that has ended, and of more rows than it has coefficients. */
export function hasStatistics({ status, hyperparameters, dataset, analysis }: Job): boolean {
  const isLeast = hyperparameters.loss === "squared_error" && Boolean(analysis?.exact);
  return isFinal(status) && isLeast && dataset.rows > (analysis?.columns ?? 0);
}

export function StatisticsPanel({ job }: { job: Job }) {
  const isWanted = useSignal(looksUnasked(job));
  const covariance = query.value.get("covariance");
  const to = withQuery(`/v1/jobs/${job.id}/statistics`, { covariance });
  const answer = useAnswer<Statistics | Underway>(isWanted.value ? to : null, (found) =>
    isUnderway(found) ? UNDERWAY_SECONDS : null,
  );
  const [found, problem] = [answer.value.value, answer.problem.value];
  if (problem && reportOf !== null) return null;
  return (
    <Panel
      title="How sure it is"
      class="wide"
      controls={reportOf === null && found && <Covariance chosen={covariance ?? "nonrobust"} />}
    >
      {!isWanted.value && (
        <button type="button" onClick={() => (isWanted.value = true)}>
          Look at all {count(job.dataset.rows)} rows
        </button>
      )}
      {problem && <p class="faint">{problem.details.detail}</p>}
      {isUnderway(found) && <p class="faint">A worker looks at {plural(found.rows, "row")}.</p>}
      {found && !isUnderway(found) && !problem && <Told statistics={found} />}
    </Panel>
  );
}

function Covariance({ chosen }: { chosen: string }) {
  return (
    <select
      aria-label="What the standard errors take the rows for"
      value={chosen}
      onChange={(event) => setQuery({ covariance: event.currentTarget.value })}
    >
      {COVARIANCES.map(([name, said]) => (
        <option key={name} value={name}>
          {said}
        </option>
      ))}
    </select>
  );
}

function Told({ statistics }: { statistics: Statistics }) {
  const { coefficients, level, notes } = statistics;
  return (
    <>
      <DataTable
        caption="Coefficients"
        columns={[
          "coefficient",
          "exact",
          "standard error",
          "t",
          "p",
          `${number(100 * level, 3)} % from`,
          "to",
          "VIF",
          "trained",
          "off, in standard errors",
        ]}
        length={coefficients.length}
        row={(index) => {
          const each = coefficients[index];
          if (!each) return [];
          const numbers = [each.estimate, each.standard_error, each.t, each.p, each.lower, each.upper, each.vif];
          return [
            <b key="name">{each.name}</b>,
            ...[...numbers, each.trained, each.distance].map((value) => number(value, 5)),
          ];
        }}
      />
      <FactList facts={factsOf(statistics)} />
      {notes.map((note) => (
        <p class="faint" key={note}>
          {note}
        </p>
      ))}
    </>
  );
}

function factsOf(told: Statistics): [string, string][] {
  const uncentred = told.r_squared_kind === "uncentred" ? " (uncentred)" : "";
  const facts: [string, number | null][] = [
    ["Degrees of freedom", told.degrees_of_freedom],
    ["Deviation of the residuals", told.residual_deviation],
    [`R²${uncentred}`, told.r_squared],
    [`Adjusted R²${uncentred}`, told.adjusted_r_squared],
    ["F, of all weights together", told.f?.value ?? null],
    ["p of F", told.f?.p ?? null],
    ["AIC", told.aic],
    ["BIC", told.bic],
    ["Durbin–Watson", told.durbin_watson],
  ];
  return facts.filter(([, value]) => value !== null).map(([name, value]) => [name, number(value)]);
}
