// Where a run broke: the sentence of its error says in which step the numbers stopped being finite.

import type { Job } from "../api/types.ts";

export interface Place {
  epoch: number;
  step: number;
}

type Broken = Pick<Job, "error" | "plan" | "progress" | "sweep_id">;

/** The last step whose numbers are finite, and can be walked; null where there is none, or where nothing broke. */
export function lastWholeStep({ error, plan, progress, sweep_id }: Broken): Place | null {
  const found = error?.code === "diverged" && error.detail?.match(/in epoch (\d+), step (\d+)/);
  if (!found) return null;
  const [epoch, step] = [Number(found[1]), Number(found[2])];
  const isKept = plan.steps_recorded && sweep_id === null; // of an epoch that broke nothing can be replayed
  if (step > 0 && isKept) return { epoch, step: step - 1 };
  return epoch > 0 ? { epoch: epoch - 1, step: Math.ceil(plan.steps / progress.epochs) - 1 } : null;
}
