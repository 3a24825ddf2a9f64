import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { query } from "../address.ts";
import { get } from "../api/client.ts";
import type { Audit, Job } from "../api/types.ts";
import { Fit } from "../charts/fit.tsx";
import { number } from "../format.ts";
import { reportOf } from "../kept.ts";
import { TableBehind } from "../parts/data_table.tsx";
import { Panel } from "../parts/panel.tsx";
import { useInfluence } from "./influence.tsx";
import { isSizedByPull, measureChosen, SizeChoice, type Sizes, sizesByInfluence, sizesByPull } from "./sizes.tsx";
import { hasStatistics, isUnderway } from "./statistics.tsx";
import type { JobStore } from "./store.ts";

/** The rows with the line at the cursor; the points may be as large as what the rows have a say in. */
export function FitPanel({ store, job }: { store: JobStore; job: Job }) {
  const rows = store.rows.value;
  const sizes = useSizes(store, job, rows.length);
  const size = query.value.get("size") ?? "";
  return (
    <Panel
      title="Fit"
      controls={reportOf === null && <SizeChoice label="Point size" value={size} hasExact={hasStatistics(job)} />}
    >
      {rows.length > 0 ? (
        <Fit {...{ job, rows, sizes }} model={store.model.value} start={store.ownStart.value} />
      ) : (
        <div class="reserved" />
      )}
      {job.dataset.rows > rows.length && rows.length > 0 && (
        <p class="faint">The first {number(rows.length)} rows are shown.</p>
      )}
      <TableBehind
        caption="Rows with what the model predicts for them"
        columns={["row", ...(job.dataset.columns ?? []), job.dataset.target, "predicted", "residual"]}
        length={rows.length}
        row={(index) => store.rowCells(index)}
      />
    </Panel>
  );
}

function useSizes(store: JobStore, job: Job, count: number): Sizes | null {
  const measure = measureChosen();
  const audit = useAudit(store, job);
  const influence = useInfluence(job, hasStatistics(job) ? measure : null).value.value;
  if (audit) return sizesByPull(audit, count);
  return measure && influence && !isUnderway(influence) ? sizesByInfluence(influence, measure, count) : null;
}

/** Which rows moved the model in the epoch at the cursor, where the points show it. */
function useAudit(store: JobStore, job: Job): Audit | null {
  const isWanted = isSizedByPull();
  const audit = useSignal<Audit | null>(null);
  const epoch = Math.max(0, store.epoch.value);
  useEffect(() => {
    if (!isWanted) return;
    let isOld = false; // what is answered late is of another epoch
    const show = (found: Audit | null) => {
      if (!isOld) audit.value = found;
    };
    const timer = setTimeout(() => {
      get<Audit>(`/v1/jobs/${job.id}/epochs/${epoch}/audit?limit=1000`)
        .then(show)
        .catch(() => show(null));
    }, 150);
    return () => {
      isOld = true;
      clearTimeout(timer);
    };
  }, [isWanted, epoch]);
  return isWanted ? audit.value : null;
}
