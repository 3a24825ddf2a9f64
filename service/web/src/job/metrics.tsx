import type { Job } from "../api/types.ts";
import { count, number, plural } from "../format.ts";
import { DataTable } from "../parts/data_table.tsx";
import { Panel } from "../parts/panel.tsx";

/** How well the model predicts the rows that it learnt from, and those that it did not. */
export function MetricsPanel({ job }: { job: Job }) {
  if (!job.metrics) return null;
  const { training, validation, test, note, cross_validation: folds } = job.metrics;
  const kinds = [
    ["training", training],
    ["validation", validation],
    ["test", test],
  ] as const;
  const rows = kinds.flatMap(([name, of]) =>
    of
      ? [[name, count(of.rows), ...[of.root_mean_squared_error, of.mean_absolute_error, of.r_squared].map(fiveDigits)]]
      : [],
  );
  if (folds && folds.per_fold.length > 0) {
    const held = folds.per_fold.reduce((sum, fold) => sum + fold.rows, 0);
    const root = folds.mean_squared_error === null ? null : Math.sqrt(folds.mean_squared_error);
    rows.push([plural(folds.folds, "fold"), count(held), ...[root, null, folds.r_squared].map(fiveDigits)]);
  }
  const notes = [note, folds && `${plural(folds.folds, "fold")}: ${folds.note}`];
  return (
    <Panel title="How well it predicts">
      <DataTable
        caption="How well it predicts"
        columns={["rows of", "rows", "root mean squared error", "mean absolute error", "R²"]}
        length={rows.length}
        row={(index) => rows[index] ?? []}
      />
      {notes.map(
        (each) =>
          each && (
            <p class="faint" key={each}>
              {each}
            </p>
          ),
      )}
    </Panel>
  );
}

const fiveDigits = (value: number | null): string => number(value, 5);
