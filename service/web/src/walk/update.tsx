import type { Epoch, Job, Step } from "../api/types.ts";
import { number, weightName } from "../format.ts";
import { DataTable } from "../parts/data_table.tsx";
import { Panel } from "../parts/panel.tsx";

interface UpdateProps {
  job: Job;
  /** Of its epoch; null where the run broke before that was whole. */
  record: Epoch | null;
  step: Step;
  /** The step after it in its epoch; the epoch's own parameters stand behind its last. */
  next: Step | null;
}

/** What the optimizer makes of the gradient: w ← w − η·∂L/∂w, in numbers. */
export function Update({ job, record, step, next }: UpdateProps) {
  const after = next ?? record;
  const rate = record?.learning_rate ?? job.plan.learning_rate;
  const { features, columns } = job.dataset;
  const optimizer = job.hyperparameters.optimizer;
  const isPlain =
    optimizer?.name === "sgd" &&
    !optimizer.momentum &&
    !optimizer.weight_decay &&
    job.hyperparameters.clip_norm === null;
  const rows = step.weights.map((before, index) => ({
    name: weightName(index, features, columns),
    before,
    gradient: step.gradient.weights?.[index] ?? null,
    after: after?.weights[index] ?? null,
  }));
  if (step.bias !== null)
    rows.push({ name: "b", before: step.bias, gradient: step.gradient.bias, after: after?.bias ?? null });
  return (
    <Panel title="The update">
      {isPlain && rows[0] ? (
        <p class="formula">
          {rows[0].name} ← {rows[0].name} − η · ∂L/∂{rows[0].name} = {number(rows[0].before)} − {number(rate)} ·{" "}
          <span class="backward">{signed(rows[0].gradient)}</span> = <b>{number(rows[0].after)}</b>
        </p>
      ) : (
        <p>
          The step is taken by {optimizer?.name} at the rate {number(rate)}, from this gradient and what it remembers of
          those before.
        </p>
      )}
      <DataTable
        caption="Parameters before and after the step"
        columns={["parameter", "before", "gradient", "after"]}
        length={rows.length}
        row={(index) => {
          const row = rows[index];
          return row ? [row.name, number(row.before, 9), number(row.gradient, 9), number(row.after, 9)] : [];
        }}
      />
    </Panel>
  );
}

const signed = (value: number | null): string => (value !== null && value < 0 ? `(${number(value)})` : number(value));
