// The way of a run through its parameters: step by step where all steps are kept, else epoch by epoch.

import { withQuery } from "../api/client.ts";
import type { Job, Page, Step } from "../api/types.ts";
import { useAnswer } from "../api/watch.ts";
import { reportOf } from "../kept.ts";
import { isFinal } from "../statuses.ts";
import type { JobStore } from "./store.ts";
import { indexAt } from "./thinning.ts";
import type { Model } from "./units.ts";

const MOST_STEPS = 1000;
const MOST_NUMBERS = 30_000;

export interface Way {
  models: Model[];
  /** What each of them is called. */
  places: string[];
  /** Which of them is at the cursor. */
  index: number;
}

/** All steps of a run that has ended, where they are kept and not too many to be drawn. */
export function useSteps(job: Job): Step[] {
  const { plan, dataset, status } = job;
  const isShort = plan.steps <= MOST_STEPS && plan.steps * (dataset.features + 1) <= MOST_NUMBERS;
  const isKept = plan.steps_recorded && job.sweep_id === null && isFinal(status);
  const to = withQuery(`/v1/jobs/${job.id}/steps`, { limit: reportOf === null ? MOST_STEPS : null });
  const page = useAnswer<Page<Step>>(isShort && isKept ? to : null).value.value;
  return page && page.next === null ? page.data : [];
}

export function wayOf(store: JobStore, steps: Step[]): Way {
  const [epochs, start, cursor] = [store.records.drawn.value, store.start.value, store.epoch.value];
  const last = epochs.at(-1);
  if (steps.length > 0 && last) {
    const models = [...steps, last]; // each step has the parameters before its update
    const places = steps.map(({ epoch, step }) => `before epoch ${epoch}, step ${step}`);
    const index = steps.filter((each) => each.epoch <= cursor).length;
    return { models, places: [...places, `after epoch ${last.epoch}`], index };
  }
  const models = [...(start ? [start] : []), ...epochs];
  const places = [...(start ? ["before training"] : []), ...epochs.map((each) => `after epoch ${each.epoch}`)];
  const index = cursor < 0 ? 0 : indexAt(epochs, cursor) + (start ? 1 : 0);
  return { models, places, index };
}
