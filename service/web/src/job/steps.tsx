import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, getInTurn, Problem } from "../api/client.ts";
import type { Job, Page, Step } from "../api/types.ts";
import { count, number } from "../format.ts";
import { DataTable } from "../parts/data_table.tsx";
import { Link } from "../parts/link.tsx";
import { Panel } from "../parts/panel.tsx";
import type { JobStore } from "./store.ts";

const MOST = 200;
const MOST_NUMBERS = 3;

/** The steps of the epoch at the cursor: each opens its chain rule. */
export function Steps({ store, job }: { store: JobStore; job: Job }) {
  const epoch = Math.max(0, store.epoch.value);
  const found = useSignal<{ epoch: number; steps: Step[] } | null>(null);
  const problem = useSignal<Problem | null>(null);
  const waits = store.isFollowing && !job.plan.steps_recorded;
  useEffect(() => {
    if (waits) return; // each epoch would be replayed, and the next would have come before it is read
    const ask = store.isFollowing ? getInTurn : get;
    let isOld = false; // what is answered late is of another epoch
    const timer = setTimeout(async () => {
      try {
        const page = await ask<Page<Step>>(`/v1/jobs/${job.id}/epochs/${epoch}/steps?limit=${MOST}`);
        if (isOld) return;
        found.value = { epoch, steps: page.data };
        problem.value = null;
      } catch (error) {
        if (!isOld && error instanceof Problem) problem.value = error;
      }
    }, 150);
    return () => {
      isOld = true;
      clearTimeout(timer);
    };
  }, [epoch, job.id, waits]);
  const steps = found.value?.steps ?? [];
  const shown = found.value?.epoch ?? epoch; // until the others are there
  const perEpoch = Math.ceil(job.plan.steps / job.progress.epochs);
  return (
    <Panel title={`Steps of epoch ${count(shown)}`}>
      {waits && <p class="faint">Of a run that goes on, steps are replayed of the epoch at which the cursor rests.</p>}
      {problem.value && <p class="notice">{problem.value.details.detail}</p>}
      <StepTable id={job.id} epoch={shown} steps={steps} />
      {perEpoch > steps.length && steps.length === MOST && (
        <p class="faint">
          The first {MOST} of {count(perEpoch)} steps.
        </p>
      )}
    </Panel>
  );
}

function StepTable({ id, epoch, steps }: { id: string; epoch: number; steps: Step[] }) {
  return (
    <DataTable
      caption={`Steps of epoch ${epoch}`}
      columns={["step", "chain rule", "rows", "loss", "gradient"]}
      length={steps.length}
      row={(index) => {
        const step = steps[index];
        if (!step) return [];
        const to = `/jobs/${id}/epochs/${step.epoch}/steps/${step.step}`;
        return [
          step.step,
          <Link key={to} to={to} label={`Walk the chain rule of step ${step.step}`}>
            walk
          </Link>,
          <span key="rows" class="wraps">
            {rowsOf(step.rows)}
          </span>,
          number(step.loss),
          <span key="gradient" class="wraps">
            {gradientOf(step)}
          </span>,
        ];
      }}
    />
  );
}

function rowsOf(rows: number[] | null): string {
  if (!rows) return "–";
  return rows.length <= 4 ? rows.join(", ") : `${rows.slice(0, 3).join(", ")} and ${count(rows.length - 3)} more`;
}

function gradientOf({ gradient }: Step): string {
  const all = [...(gradient.weights ?? []), ...(gradient.bias === null ? [] : [gradient.bias])];
  const shown = all.slice(0, MOST_NUMBERS).map((value) => number(value));
  return all.length > MOST_NUMBERS ? `${shown.join(", ")} …` : shown.join(", ");
}
