// The epochs of a job as its page needs them: an overview that keeps every extreme, a closer look at a stretch, and the
// exact record of the epoch at the cursor.

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { get, getInTurn, withQuery } from "../api/client.ts";
import type { Epoch, Job, Page } from "../api/types.ts";
import { isFinal } from "../statuses.ts";
import { indexAt, merged, pointsFor, type Stretch, shareOf } from "./thinning.ts";

const PAGE = 1000;
/** Of a long run its first hundredth is looked at more closely: most happens there. */
const BEGINNING = 100;
const BEGINNING_SHARE = 0.25;
/** A run that has grown by this much is thinned out anew. Until then only what came is asked for. */
const GROWN = 1.1;

export class Records {
  private readonly overview = signal<Epoch[]>([]);
  private readonly detail = signal<Epoch[]>([]);
  private readonly exact = signal<Epoch | null>(null);
  private seen = 0;
  private thinnedAt = 0;
  private features = 1;
  private numbers: readonly string[] = [];
  /** The stretch that the charts show; all epochs where it is null. */
  readonly stretch = signal<Stretch | null>(null);
  readonly isThinned = signal(false);

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

  /**
   * Fetch what a job has recorded since the last time, one call after another. Of many epochs those are kept that are
   * extremes of some numbers, by their names in CSV. Throws a Problem, and can be repeated.
   */
  async follow(job: Job, numbers: readonly string[]): Promise<void> {
    const done = job.progress.epochs_done;
    const known = this.keeps(numbers) ? this.seen : 0;
    this.features = job.dataset.features;
    if (done <= pointsFor(this.features)) {
      if (done > this.seen) await this.append();
    } else if (known === 0 || done > GROWN * this.thinnedAt || (isFinal(job.status) && done > this.thinnedAt)) {
      await this.thinAll(done, numbers);
    } else if (done > known) {
      await this.thinRest(done);
    }
    const stretch = this.stretch.peek();
    if (stretch && done > known && stretch.last >= known) await this.lookCloser(stretch);
    this.seen = done;
  }

  /** Whether what is drawn has the extremes of these numbers. */
  keeps(numbers: readonly string[]): boolean {
    return this.thinnedAt === 0 || numbers.join() === this.numbers.join();
  }

  /** Look at a stretch as closely as at the whole. */
  async look(stretch: Stretch | null): Promise<void> {
    this.stretch.value = stretch;
    this.detail.value = [];
    if (stretch) await this.lookCloser(stretch).catch(() => {});
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
      const page = await getInTurn<Page<Epoch>>(to);
      this.overview.value = merged(this.overview.peek(), page.data);
      if (page.next === null) return;
    }
  }

  private async thinAll(done: number, numbers: readonly string[]): Promise<void> {
    this.numbers = numbers;
    this.thinnedAt = 0;
    const beginning = { first: 0, last: Math.floor(done / BEGINNING) };
    const [whole, first] = await Promise.all([
      this.thin(null, 1 - BEGINNING_SHARE),
      this.thin(beginning, BEGINNING_SHARE),
    ]);
    this.overview.value = merged(whole, first);
    this.thinnedAt = done;
    this.isThinned.value = true;
  }

  private async thinRest(done: number): Promise<void> {
    const rest = { first: this.last + 1, last: done };
    const came = await this.thin(rest, (done - this.last) / done);
    this.overview.value = merged(this.overview.peek(), came);
  }

  private async lookCloser(stretch: Stretch): Promise<void> {
    if (this.thinnedAt === 0) return;
    const found = await this.thin(stretch);
    if (this.stretch.peek() === stretch) this.detail.value = found;
  }

  /** Few of many epochs, the extremes of all numbers that are drawn among them. */
  private async thin(stretch: Stretch | null, share = 1): Promise<Epoch[]> {
    const within = stretch ? { after: stretch.first - 1, before: stretch.last + 1 } : {};
    const points = shareOf(pointsFor(this.features), share / this.numbers.length);
    const to = withQuery(`/v1/jobs/${this.id}/epochs`, { points, ...within, by: this.numbers });
    return (await getInTurn<Page<Epoch>>(to)).data;
  }
}
