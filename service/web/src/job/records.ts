// The epochs of a job as its page needs them: an overview that keeps every extreme, a closer look at a stretch, and the
// exact record of the epoch at the cursor.

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { get, Problem, withQuery } from "../api/client.ts";
import type { Epoch, Job, Page } from "../api/types.ts";
import { indexAt, MOST_POINTS, merged, pointsFor, type Stretch } from "./thinning.ts";

const PAGE = 1000;
const BEGINNING = 100;
const EXTREMES_OF = ["loss", "gradient_norm"];

export class Records {
  private readonly overview = signal<Epoch[]>([]);
  private readonly detail = signal<Epoch[]>([]);
  private readonly exact = signal<Epoch | null>(null);
  private loading = false;
  private seen = 0;
  private seenLast = -1;
  private points = MOST_POINTS;
  /** The stretch that the charts show; all epochs where it is null. */
  readonly stretch = signal<Stretch | null>(null);
  readonly isThinned = signal(false);
  readonly problem = signal<Problem | null>(null);

  /** What the charts draw. */
  readonly drawn: ReadonlySignal<Epoch[]> = computed(() => {
    const stretch = this.stretch.value;
    if (!stretch || this.detail.value.length === 0) return this.overview.value;
    const around = this.overview.value.filter((each) => each.epoch < stretch.first || each.epoch > stretch.last);
    return merged(around, this.detail.value);
  });

  private readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  /** The last epoch there is, and -1 before there is one. */
  get last(): number {
    return this.overview.value.at(-1)?.epoch ?? -1;
  }

  /** The record of an epoch, or of the last one before it that is known. */
  at(epoch: number): Epoch | null {
    const exact = this.exact.value;
    if (exact?.epoch === epoch) return exact;
    return this.drawn.value[indexAt(this.drawn.value, epoch)] ?? null;
  }

  /** Fetch what a job has recorded since the last time. */
  async follow(job: Job): Promise<void> {
    const done = job.progress.epochs_done;
    if (this.loading || (done === this.seen && this.overview.value.at(-1)?.epoch === this.seenLast)) return;
    this.loading = true;
    this.points = pointsFor(job.dataset.features);
    try {
      if (done <= this.points) await this.append();
      else this.overview.value = await this.thinAll(done);
      this.isThinned.value = done > this.points;
      this.seen = done;
      this.seenLast = this.last;
      this.problem.value = null;
    } catch (error) {
      if (error instanceof Problem) this.problem.value = error;
    } finally {
      this.loading = false;
    }
  }

  /** Look at a stretch as closely as at the whole. */
  async look(stretch: Stretch | null): Promise<void> {
    this.stretch.value = stretch;
    this.detail.value = [];
    if (!stretch || !this.isThinned.value) return;
    const found = await this.thin(stretch).catch(() => []);
    if (this.stretch.peek() === stretch) this.detail.value = found;
  }

  /** Make sure that the record of an epoch is there to the digit. */
  async settle(epoch: number): Promise<void> {
    if (epoch < 0 || this.at(epoch)?.epoch === epoch) return;
    const page = await get<Page<Epoch>>(withQuery(`/v1/jobs/${this.id}/epochs`, { after: epoch - 1, limit: 1 })).catch(
      () => null,
    );
    this.exact.value = page?.data[0] ?? null;
  }

  private async append(): Promise<void> {
    for (;;) {
      const to = withQuery(`/v1/jobs/${this.id}/epochs`, { after: this.last, limit: PAGE });
      const page = await get<Page<Epoch>>(to);
      if (page.data.length > 0) this.overview.value = [...this.overview.peek(), ...page.data];
      if (page.next === null) return;
    }
  }

  /** Of a long run also its beginning, where most happens. */
  private async thinAll(done: number): Promise<Epoch[]> {
    const beginning = { first: 0, last: Math.floor(done / BEGINNING) };
    const found = await Promise.all([this.thin(null), this.thin(beginning)]);
    return found.reduce(merged);
  }

  private async thin(stretch: Stretch | null): Promise<Epoch[]> {
    const within = stretch ? { after: stretch.first - 1, before: stretch.last + 1 } : {};
    const found: Page<Epoch>[] = await Promise.all(
      EXTREMES_OF.map((by) =>
        get<Page<Epoch>>(withQuery(`/v1/jobs/${this.id}/epochs`, { points: this.points, by, ...within })),
      ),
    );
    return found.map((page) => page.data).reduce(merged);
  }
}
