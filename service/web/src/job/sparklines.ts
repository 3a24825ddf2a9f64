// The losses of the jobs on a list, each asked for once it has ended, one after another.

import { signal } from "@preact/signals";
import { get } from "../api/client.ts";
import type { Epoch, Job, Page } from "../api/types.ts";

const POINTS = 40;
const PAUSE = 60;

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

async function work(): Promise<void> {
  isRunning = true;
  for (let next = waiting.entries().next().value; next; next = waiting.entries().next().value) {
    const [id, version] = next;
    waiting.delete(id);
    known.set(id, version);
    const page = await get<Page<Epoch>>(`/v1/jobs/${id}/epochs?points=${POINTS}`).catch(() => null);
    if (page)
      sparklines.value = new Map(sparklines.value).set(
        id,
        page.data.map((each) => each.loss),
      );
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  isRunning = false;
}
