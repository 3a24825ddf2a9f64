import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { Frame, roomy, scales, useWidth } from "../charts/axes.tsx";
import { number } from "../format.ts";
import { DataTable } from "../parts/data_table.tsx";
import { Panel } from "../parts/panel.tsx";
import type { RequestDraft } from "./draft.ts";

/** The rows as they are: one feature against the target, and the columns in numbers. */
export function Preview({ draft }: { draft: RequestDraft }) {
  const chosen = useSignal<string | null>(null);
  const clip = useId();
  const box = useWidth();
  const [rows, features, target] = [draft.rows.value, draft.features.value, draft.targetName.value];
  const first = features[0];
  if (rows.length === 0 || first === undefined) return null;
  const shown = chosen.value !== null && features.includes(chosen.value) ? chosen.value : first;
  const place = features.indexOf(shown);
  const xs = rows.map((row) => row.x[place] ?? 0);
  const { x, y } = scales(roomy(xs), roomy(rows.map((row) => row.y)), box.width);
  const exact = features.length === 1 ? draft.plan.value?.analysis?.exact : null;
  const [left, right] = roomy(xs);
  return (
    <Panel
      title="The rows"
      controls={
        features.length > 1 && (
          <select aria-label="Feature" value={shown} onChange={(event) => (chosen.value = event.currentTarget.value)}>
            {features.slice(0, 200).map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )
      }
    >
      <Frame
        {...{ x, y, clip, ...box }}
        xName={shown}
        yName={target}
        label={`${rows.length} rows: ${target} by ${shown}`}
      >
        {exact && exact.weights.length === 1 && (
          <g class="fit-exact">
            <line
              x1={x(left)}
              x2={x(right)}
              y1={y((exact.weights[0] ?? 0) * left + (exact.bias ?? 0))}
              y2={y((exact.weights[0] ?? 0) * right + (exact.bias ?? 0))}
            />
          </g>
        )}
        <g class="points">
          {rows.map((row, index) => (
            <circle key={index} cx={x(row.x[place] ?? 0)} cy={y(row.y)} r={rows.length > 100 ? 2.5 : 4.5} />
          ))}
        </g>
      </Frame>
      <ColumnTable draft={draft} />
    </Panel>
  );
}

function ColumnTable({ draft }: { draft: RequestDraft }) {
  const table = draft.table.value;
  const columns = table?.columns ?? [];
  return (
    <DataTable
      caption="Columns"
      columns={["column", "least", "mean", "greatest"]}
      length={columns.length}
      row={(index) => {
        const values = (table?.rows ?? []).map((row) => row[index] ?? 0);
        const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
        const least = values.reduce((found, value) => Math.min(found, value), Number.POSITIVE_INFINITY);
        const greatest = values.reduce((found, value) => Math.max(found, value), Number.NEGATIVE_INFINITY);
        return [columns[index], number(least, 4), number(mean, 4), number(greatest, 4)];
      }}
    />
  );
}
