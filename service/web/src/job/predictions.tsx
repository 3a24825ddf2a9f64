import { useSignal } from "@preact/signals";
import type { TargetedSubmitEvent } from "preact";
import { Problem, post } from "../api/client.ts";
import type { Job, Page, Prediction } from "../api/types.ts";
import { number } from "../format.ts";
import { reportOf } from "../kept.ts";
import { DataTable } from "../parts/data_table.tsx";
import { Panel } from "../parts/panel.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import type { JobStore } from "./store.ts";
import { predict } from "./units.ts";

const MOST_SHOWN = 3;
/** Significant ones of a prediction: as the lecture tells it, 7.8049. */
const DIGITS = 5;

/** What the model says before and after training, and at the cursor, of points that were asked for and of one's own. */
export function Predictions({ store, job }: { store: JobStore; job: Job }) {
  const own = useSignal<Prediction[]>([]);
  const points = [...store.predictions.value, ...own.value];
  const model = store.model.value;
  const names = job.dataset.columns ?? ["x"];
  return (
    <Panel title="Predictions">
      {points.length > 0 && (
        <DataTable
          caption="Predictions"
          columns={["x", "before training", "at the cursor", "after training"]}
          length={points.length}
          row={(index) => {
            const point = points[index];
            if (!point) return [];
            const now = model ? predict(model, point.x) : null;
            const [before, current, after] = [point.before, now, point.after].map((value) => number(value, DIGITS));
            return [shortPoint(point.x), before, current, <b key="after">{after}</b>];
          }}
        />
      )}
      {reportOf !== null ? null : job.status === "succeeded" ? (
        <OwnPoint job={job} names={names} onFound={(found) => (own.value = [...own.value, ...found])} />
      ) : (
        <p class="faint">When the job has succeeded, any point can be predicted here.</p>
      )}
    </Panel>
  );
}

interface OwnPointProps {
  job: Job;
  names: string[];
  onFound: (found: Prediction[]) => void;
}

function OwnPoint({ job, names, onFound }: OwnPointProps) {
  const text = useSignal("");
  const problem = useSignal<Problem | null>(null);
  async function ask(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const numbers = text.value
      .split(/[\s,;]+/)
      .filter(Boolean)
      .map(Number);
    try {
      const x = job.dataset.features === 1 ? numbers : [numbers];
      onFound((await post<Page<Prediction>>(`/v1/jobs/${job.id}/predict`, { x })).data);
      problem.value = null;
    } catch (error) {
      if (error instanceof Problem) problem.value = error;
    }
  }
  const asked = job.dataset.features === 1 ? `Values of ${names[0]}` : `One value each of ${listed(names)}`;
  return (
    <form onSubmit={ask} class="inline-form">
      <label class="captioned">
        <span>{asked}</span>
        <input
          required
          inputMode="decimal"
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
      </label>
      <button type="submit">Predict</button>
      {problem.value && <ProblemBox problem={problem.value} />}
    </form>
  );
}

function shortPoint(x: number[]): string {
  const shown = x.slice(0, MOST_SHOWN).map((each) => number(each, 4));
  return x.length > MOST_SHOWN ? `${shown.join(", ")} …` : shown.join(", ");
}

const listed = (names: string[]): string =>
  names.length > 5 ? `${names.slice(0, 4).join(", ")} and ${names.length - 4} others` : names.join(", ");
