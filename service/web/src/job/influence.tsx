// Which rows hold the line of the exact solution.

import { useSignal } from "@preact/signals";
import { withQuery } from "../api/client.ts";
import type { Influence, Job, Underway } from "../api/types.ts";
import { type Answer, useAnswer } from "../api/watch.ts";
import { count, number, plural } from "../format.ts";
import { reportOf } from "../kept.ts";
import { DataTable } from "../parts/data_table.tsx";
import { FactList, Panel } from "../parts/panel.tsx";
import { type Measure, measureChosen, ordered, SizeChoice } from "./sizes.tsx";
import { isUnderway, looksUnasked, UNDERWAY_SECONDS } from "./statistics.tsx";

const MOST_TOLD = 1000;

/** The rows that hold it most by a measure; asked for again while a worker looks at them. */
export function useInfluence(job: Job, by: Measure | null): Answer<Influence | Underway> {
  const to = by && withQuery(`/v1/jobs/${job.id}/influence`, { by, top: MOST_TOLD });
  return useAnswer<Influence | Underway>(to, (found) => (isUnderway(found) ? UNDERWAY_SECONDS : null));
}

export function InfluencePanel({ job }: { job: Job }) {
  const isWanted = useSignal(looksUnasked(job));
  const by = measureChosen() ?? "cook";
  const answer = useInfluence(job, isWanted.value ? by : null);
  const [found, problem] = [answer.value.value, answer.problem.value];
  if (problem && reportOf !== null) return null;
  return (
    <Panel title="Rows that hold the line" controls={<SizeChoice label="Measure" value={by} isOfExact />}>
      {!isWanted.value && (
        <button type="button" onClick={() => (isWanted.value = true)}>
          Look at all {count(job.dataset.rows)} rows
        </button>
      )}
      {problem && <p class="faint">{problem.details.detail}</p>}
      {isUnderway(found) && <p class="faint">A worker looks at {plural(found.rows, "row")}.</p>}
      {found && !isUnderway(found) && !problem && <Told influence={found} by={by} />}
    </Panel>
  );
}

function Told({ influence, by }: { influence: Influence; by: Measure }) {
  const rows = ordered(influence.data, by);
  const facts: [string, string][] = [
    ["PRESS, each row by the fit to all others", number(influence.press)],
    ["R² of rows that were not learnt from", number(influence.predicted_r_squared)],
  ];
  return (
    <>
      <DataTable
        caption="Rows that hold the line"
        columns={["row", "Cook’s distance", "leverage", "residual", "studentized", "DFFITS"]}
        length={rows.length}
        row={(index) => {
          const row = rows[index];
          if (!row) return [];
          const numbers = [row.cook, row.leverage, row.residual, row.studentized, row.dffits];
          return [row.row, ...numbers.map((value) => number(value, 5))];
        }}
      />
      {influence.rows > rows.length && (
        <p class="faint">
          The first {count(rows.length)} of {count(influence.rows)}.
        </p>
      )}
      <FactList facts={facts} />
      {influence.notes.map((note) => (
        <p class="faint" key={note}>
          {note}
        </p>
      ))}
    </>
  );
}
