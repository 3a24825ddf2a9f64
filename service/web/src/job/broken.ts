// Where a run broke: the sentence of its error says in which step the numbers stopped being finite.

import type { Job } from "../api/types.ts";

export interface Place {
  epoch: number;
  step: number;
}

type Broken = Pick<Job, "error" | "plan" | "progress" | "sweep_id">;

/** Where a run broke: its last step whose numbers are finite, or its first, where that was the one. */
export interface Breakage extends Place {
  isFinite: boolean;
}

/** The step to walk; null where none can be, or where nothing broke. */
export function stepWhereItBroke({ error, plan, progress, sweep_id }: Broken): Breakage | null {
  const found = error?.code === "diverged" && error.detail?.match(/in epoch (\d+), step (\d+)/);
  if (!found) return null;
  const [epoch, step] = [Number(found[1]), Number(found[2])];
  const isKept = plan.steps_recorded && sweep_id === null; // of an epoch that broke nothing can be replayed
  if (step > 0 && isKept) return { epoch, step: step - 1, isFinite: true };
  if (epoch > 0) return { epoch: epoch - 1, step: Math.ceil(plan.steps / progress.epochs) - 1, isFinite: true };
  return step === 0 ? { epoch, step, isFinite: false } : null;
}
