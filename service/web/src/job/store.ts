// One job as its page shows it: the job, its records, its rows, and the one cursor that all charts share.

import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { numberIn, root, setQuery } from "../address.ts";
import { get, Problem } from "../api/client.ts";
import type { Epoch, Job, Page, Prediction, Step } from "../api/types.ts";
import { isVisible } from "../api/watch.ts";
import { number } from "../format.ts";
import { reportOf } from "../kept.ts";
import { isFinal } from "../parts/status.tsx";
import { Records } from "./records.ts";
import type { Stretch } from "./thinning.ts";
import { inOwnUnits, type Model, predict } from "./units.ts";

const ROUND_SECONDS = 0.5;
const WITHOUT_STREAM_SECONDS = 5;
const MOST_ROWS = 1000;

export interface Row {
  x: number[];
  y: number;
}

export class JobStore {
  readonly job = signal<Job | null>(null);
  readonly problem = signal<Problem | null>(null);
  /** When the service last answered, in milliseconds. */
  readonly at = signal(0);
  readonly rows = signal<Row[]>([]);
  readonly predictions = signal<Prediction[]>([]);
  readonly start = signal<Model | null>(null);
  readonly records: Records;
  /** The epoch at the cursor once it has rested there a moment. */
  readonly settledEpoch = signal<number | null>(null);
  private stream: EventSource | null = null;
  private timer = 0;
  private rounds = 0;
  private stopping: (() => void)[] = [];
  private isDirty = true;
  private isBusy = false;

  /** The epoch at the cursor; -1 is before training. It follows the run until it is moved. */
  readonly epoch: ReadonlySignal<number> = computed(() => {
    const chosen = numberIn("epoch");
    return chosen === null ? this.records.last : Math.max(-1, Math.min(chosen, this.records.last));
  });

  readonly record: ReadonlySignal<Epoch | null> = computed(() => this.records.at(this.epoch.value));

  /** The line at the cursor, in the data's own units. */
  readonly model: ReadonlySignal<Model | null> = computed(() => {
    const scaled = this.job.value?.scaled ?? null;
    if (this.epoch.value < 0) return this.start.value && inOwnUnits(this.start.value, scaled);
    return this.record.value && inOwnUnits(this.record.value, scaled);
  });

  readonly ownStart: ReadonlySignal<Model | null> = computed(
    () => this.start.value && inOwnUnits(this.start.value, this.job.value?.scaled ?? null),
  );

  readonly id: string;

  constructor(id: string) {
    this.id = id;
    this.records = new Records(id);
  }

  /** A row with what the model at the cursor makes of it. */
  rowCells(index: number): (string | number)[] {
    const row = this.rows.value[index];
    if (!row) return [];
    const predicted = this.model.value ? predict(this.model.value, row.x) : null;
    const residual = predicted === null ? null : row.y - predicted;
    return [index, ...[...row.x, row.y, predicted, residual].map((value) => number(value))];
  }

  /** Move the cursor; null lets it follow the run. */
  move(epoch: number | null): void {
    const bounded = epoch === null ? null : Math.max(-1, Math.min(Math.round(epoch), this.records.last));
    setQuery({ epoch: bounded === null ? null : String(bounded) });
  }

  zoom(stretch: Stretch | null): void {
    setQuery({ from: stretch && String(stretch.first), to: stretch && String(stretch.last) });
  }

  open(): () => void {
    this.stopping = [
      effect(() => (isVisible.value ? this.begin() : this.pause())),
      effect(() => {
        const [first, last] = [numberIn("from"), numberIn("to")];
        const thinned = this.records.isThinned.value;
        if (thinned !== undefined)
          this.records.look(first !== null && last !== null && first < last ? { first, last } : null);
      }),
      effect(() => {
        const epoch = this.epoch.value;
        clearTimeout(this.timer);
        this.timer = window.setTimeout(() => {
          this.settledEpoch.value = epoch;
          this.records.settle(epoch);
        }, 120);
      }),
    ];
    return () => {
      for (const stop of this.stopping) stop();
      this.pause();
      clearTimeout(this.timer);
    };
  }

  private begin(): void {
    this.isDirty = true;
    this.rounds = window.setInterval(() => this.round(), 1000 * ROUND_SECONDS);
    this.round();
  }

  private pause(): void {
    clearInterval(this.rounds);
    this.stream?.close();
    this.stream = null;
  }

  /** Ask when the stream has told something, and now and then where it tells nothing. */
  private async round(): Promise<void> {
    const job = this.job.peek();
    const isOld = Date.now() - this.at.peek() > 1000 * WITHOUT_STREAM_SECONDS;
    if (this.isBusy || !(this.isDirty || (isOld && !(job && isFinal(job.status))))) return;
    this.isBusy = true;
    this.isDirty = false;
    await this.refresh();
    this.isBusy = false;
  }

  async refresh(): Promise<void> {
    try {
      const job = await get<Job>(`/v1/jobs/${this.id}`);
      const isFirst = this.job.peek() === null;
      if (isFirst) this.once(job);
      await this.records.follow(job);
      this.job.value = job;
      this.at.value = Date.now();
      this.problem.value = null;
      if (job.progress.epochs_done > 0 && !this.start.peek()) await this.findStart();
      if (job.status === "succeeded" && job.predict?.length !== 0 && this.predictions.peek().length === 0)
        this.findPredictions();
      if (isFinal(job.status)) this.pause();
      else this.listen();
    } catch (error) {
      if (error instanceof Problem) this.problem.value = error;
    }
  }

  private listen(): void {
    if (this.stream || reportOf !== null || !isVisible.peek()) return;
    this.stream = new EventSource(`${root}/v1/jobs/${this.id}/events`);
    for (const kind of ["status", "epoch", "warning"]) {
      this.stream.addEventListener(kind, () => {
        this.isDirty = true;
      });
    }
  }

  /** What does not change. */
  private once(job: Job): void {
    const columns = job.dataset.columns;
    if (!columns) return;
    get<Page<Record<string, number>>>(`/v1/datasets/${job.dataset.id}/rows?limit=${MOST_ROWS}`)
      .then((page) => {
        this.rows.value = page.data.map((row) => ({
          x: columns.map((name) => row[name] ?? 0),
          y: row[job.dataset.target] ?? 0,
        }));
      })
      .catch(() => {});
  }

  private async findStart(): Promise<void> {
    const page = await get<Page<Step>>(`/v1/jobs/${this.id}/epochs/0/steps?limit=1`).catch(() => null);
    this.start.value = page?.data[0] ?? null;
  }

  private findPredictions(): void {
    get<Page<Prediction>>(`/v1/jobs/${this.id}/predictions`)
      .then((page) => {
        this.predictions.value = page.data;
      })
      .catch(() => {});
  }
}
