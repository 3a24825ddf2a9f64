// One job as its page shows it: the job, its records, its rows, and the one cursor that all charts share.

import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { numberIn, query, setQuery } from "../address.ts";
import { get, getInTurn, Problem } from "../api/client.ts";
import { JobStream } from "../api/stream.ts";
import type { Epoch, Job, Page, Prediction, Step } from "../api/types.ts";
import { number } from "../format.ts";
import { reportOf } from "../kept.ts";
import { isFinal } from "../statuses.ts";
import { isVisible } from "../visible.ts";
import { drawnNumbers } from "./lines.ts";
import { Records } from "./records.ts";
import type { Stretch } from "./thinning.ts";
import { inOwnUnits, type Model, predict } from "./units.ts";

const ROUND_SECONDS = 0.5;
/** The longest time between two questions, where the stream is heard and where it is not. */
const [HEARD_SECONDS, UNHEARD_SECONDS] = [5, 1];
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
  private readonly stream: JobStream;
  private timer = 0;
  private rounds = 0;
  private stopping: (() => void)[] = [];
  private isDirty = true;
  private isBusy = false;
  private askedAt = 0;
  private asking: Promise<void> = Promise.resolve();
  private readonly asked = new Set<string>();

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

  /** Of the gradient, the part that its chart shows. */
  readonly component: ReadonlySignal<string> = computed(() => query.value.get("gradient") ?? "norm");

  readonly id: string;

  constructor(id: string) {
    this.id = id;
    this.records = new Records(id);
    this.stream = new JobStream(id, () => {
      this.isDirty = true;
    });
  }

  /** A row with what the model at the cursor makes of it. */
  rowCells(index: number): (string | number)[] {
    const row = this.rows.value[index];
    if (!row) return [];
    const predicted = this.model.value ? predict(this.model.value, row.x) : null;
    const residual = predicted === null ? null : row.y - predicted;
    return [index, ...[...row.x, row.y, predicted, residual].map((value) => number(value))];
  }

  /** Whether the cursor goes with a run that goes on. */
  get isFollowing(): boolean {
    const job = this.job.peek();
    return job !== null && !isFinal(job.status) && this.epoch.peek() === this.records.last;
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
        const job = this.job.peek();
        if (job && !this.records.keeps(drawnNumbers(job, this.component.value))) this.begin();
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
    clearInterval(this.rounds);
    this.rounds = window.setInterval(() => this.round(), 1000 * ROUND_SECONDS);
    this.round();
  }

  private pause(): void {
    clearInterval(this.rounds);
    this.stream.close();
  }

  /** Ask when the stream has told something, and now and then where it tells nothing. */
  private async round(): Promise<void> {
    const isRefused = this.problem.peek()?.isPassing === false;
    const longest = this.stream.isHeard || isRefused ? HEARD_SECONDS : UNHEARD_SECONDS;
    const isOld = performance.now() - this.askedAt > 1000 * longest;
    if (this.isBusy || !(this.isDirty || isOld)) return;
    this.isBusy = true;
    this.isDirty = false;
    await this.refresh();
    this.askedAt = performance.now();
    this.isBusy = false;
  }

  /** Ask for the job as it is now, and for what it has recorded: one after another, or an epoch would come twice. */
  refresh(): Promise<void> {
    this.asking = this.asking.then(() => this.ask());
    return this.asking;
  }

  private async ask(): Promise<void> {
    try {
      const job = await getInTurn<Job>(`/v1/jobs/${this.id}`);
      await this.follow(job);
      await Promise.all(this.missing(job));
      if (isFinal(job.status)) this.pause();
      else this.listen();
    } catch (error) {
      if (error instanceof Problem) this.problem.value = error;
    }
  }

  private listen(): void {
    if (reportOf === null && isVisible.peek()) this.stream.open();
  }

  private async follow(job: Job): Promise<void> {
    await this.records.follow(job, drawnNumbers(job, this.component.peek()));
    this.job.value = job;
    this.at.value = Date.now();
    this.problem.value = null;
  }

  /** What does not change, as soon as it can be there. */
  private missing({ dataset: { id, columns, target }, progress, status, predict: points }: Job): Promise<void>[] {
    const found: Promise<void>[] = [];
    if (columns) {
      found.push(
        this.once<Record<string, number>>(`/v1/datasets/${id}/rows?limit=${MOST_ROWS}`, (rows) => {
          this.rows.value = rows.map((row) => ({ x: columns.map((name) => row[name] ?? 0), y: row[target] ?? 0 }));
        }),
      );
    }
    if (progress.epochs_done > 0) {
      found.push(
        this.once<Step>(`/v1/jobs/${this.id}/epochs/0/steps?limit=1`, ([first]) => {
          this.start.value = first ?? null;
        }),
      );
    }
    if (status === "succeeded" && points?.length !== 0) {
      found.push(
        this.once<Prediction>(`/v1/jobs/${this.id}/predictions`, (predictions) => {
          this.predictions.value = predictions;
        }),
      );
    }
    return found;
  }

  /** Ask until there is an answer: while the service is away, the Problem is thrown. */
  private async once<T>(to: string, take: (data: T[]) => void): Promise<void> {
    if (this.asked.has(to)) return;
    try {
      take((await get<Page<T>>(to)).data);
    } catch (error) {
      if (error instanceof Problem && error.isPassing) throw error;
    }
    this.asked.add(to);
  }
}
