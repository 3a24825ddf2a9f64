// The losses of the jobs on a list, asked for one after another, as long as somebody looks at it.

import { signal } from "@preact/signals";
import { getInTurn } from "../api/client.ts";
import type { Epoch, Job, Page } from "../api/types.ts";

const POINTS = 40;

export const sparklines = signal<ReadonlyMap<string, number[]>>(new Map());
const waiting = new Map<string, string>();
const known = new Map<string, string>();
let isRunning = false;

/** Ask for the losses of these jobs where they are not known as they are now. */
export function wantSparklines(jobs: Job[]): void {
  for (const { id, progress } of jobs) {
    const version = String(progress.epochs_done);
    if (progress.epochs_done > 1 && known.get(id) !== version) waiting.set(id, version);
  }
  if (!isRunning) void work();
}

export const wantNoSparklines = (): void => waiting.clear();

async function work(): Promise<void> {
  isRunning = true;
  for (const [id, version] of waiting) {
    waiting.delete(id);
    known.set(id, version);
    const page = await getInTurn<Page<Epoch>>(`/v1/jobs/${id}/epochs?points=${POINTS}`).catch(() => null);
    if (!page) known.delete(id);
    else
      sparklines.value = new Map(sparklines.value).set(
        id,
        page.data.map((each) => each.loss),
      );
  }
  isRunning = false;
}
