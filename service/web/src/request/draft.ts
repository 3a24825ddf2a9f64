// The request that the form stands for, and what the service says of it while it is typed.

import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { get, Problem, post } from "../api/client.ts";
import type { Dataset, Draft, Job, Page } from "../api/types.ts";
import type { Row } from "../job/store.ts";
import { askedOf, valuesOf } from "./again.ts";
import { requestFields } from "./schema.ts";
import { type Reading, readTable, type Table } from "./table.ts";
import { typed, type Values, without, writtenAs } from "./typed.ts";

export type Source = "paste" | "file" | "dataset";

const PLAN_PAUSE = 350;
const PREVIEW_ROWS = 500;

export class RequestDraft {
  readonly source = signal<Source>("paste");
  readonly text = signal("");
  readonly dataset = signal<Dataset | null>(null);
  readonly sample = signal<Table | null>(null);
  readonly target = signal<string | null>(null);
  /** The column that says how much each row counts. */
  readonly rowWeights = signal<string | null>(null);
  readonly left = signal<ReadonlySet<string>>(new Set());
  readonly points = signal("");
  readonly hyperparameters = signal<Values>({});
  /** What is asked for besides the data, the hyperparameters and the points, by name. */
  readonly besides = signal<Values>({});
  readonly plan = signal<Draft | null>(null);
  readonly problem = signal<Problem | null>(null);
  /** Why what was handed in was refused, for as long as it is the same; other faults stand at their fields only. */
  readonly refused = signal<Problem | null>(null);
  private refusedRequest: Values | null = null;
  readonly isReady = signal(true);

  readonly reading: ReadonlySignal<Reading> = computed(() => readTable(this.text.value));

  readonly table: ReadonlySignal<Table | null> = computed(() => {
    if (this.source.value !== "paste") return this.sample.value;
    return "table" in this.reading.value ? this.reading.value.table : null;
  });

  readonly targetName: ReadonlySignal<string> = computed(() => {
    const columns = this.table.value?.columns ?? [];
    const chosen = this.target.value;
    return chosen !== null && columns.includes(chosen) ? chosen : (columns.at(-1) ?? "");
  });

  readonly features: ReadonlySignal<string[]> = computed(() => {
    const others = (this.table.value?.columns ?? []).filter(
      (name) => name !== this.targetName.value && name !== this.rowWeights.value,
    );
    return others.filter((name) => !this.left.value.has(name));
  });

  readonly rows: ReadonlySignal<Row[]> = computed(() => {
    const table = this.table.value;
    if (!table) return [];
    const places = this.features.value.map((name) => table.columns.indexOf(name));
    const target = table.columns.indexOf(this.targetName.value);
    return table.rows.map((row) => ({ x: places.map((place) => row[place] ?? 0), y: row[target] ?? 0 }));
  });

  readonly request: ReadonlySignal<Values | null> = computed(() => {
    const dataset = this.data();
    if (!dataset) return null;
    return without({
      ...this.besides.value,
      dataset,
      hyperparameters: this.hyperparameters.value,
      predict: this.askedPoints(),
    });
  });

  /** Ask for the plan whenever the request has been another for a moment. */
  open(): () => void {
    let timer = 0;
    const stop = effect(() => {
      const request = this.request.value;
      clearTimeout(timer);
      timer = window.setTimeout(() => this.ask(request), PLAN_PAUSE);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }

  /** Learn from a stored dataset, of whose columns these come first. */
  async use(dataset: Dataset, first: string[] = []): Promise<void> {
    const page = await get<Page<Record<string, number>>>(`/v1/datasets/${dataset.id}/rows?limit=${PREVIEW_ROWS}`);
    const all = dataset.columns.map((column) => column.name);
    const columns = [...first, ...all.filter((name) => !first.includes(name))];
    this.dataset.value = dataset;
    this.rowWeights.value = null;
    this.sample.value = { columns, rows: page.data.map((row) => columns.map((name) => row[name] ?? 0)) };
    this.source.value = "dataset";
  }

  /** Begin with a dataset. */
  async startOn(id: string): Promise<void> {
    try {
      await this.use(await get<Dataset>(`/v1/datasets/${id}`));
    } catch (error) {
      this.refuse(error, this.request.peek());
    }
  }

  /** Begin with what another job was asked for. */
  async startFrom(id: string): Promise<void> {
    this.isReady.value = false;
    try {
      const [job, fields] = await Promise.all([get<Job>(`/v1/jobs/${id}`), requestFields()]);
      await this.useAs(job);
      const asked = askedOf(job);
      this.points.value = (job.predict ?? []).map((point) => writtenAs(point, "list")).join("\n");
      this.besides.value = valuesOf(asked, fields.besides);
      this.hyperparameters.value = valuesOf(asked.hyperparameters as Values, fields.hyperparameters);
    } catch (error) {
      this.refuse(error, this.request.peek());
    } finally {
      this.isReady.value = true;
    }
  }

  /** Learn from the same columns as a job, in the same order: its weights and its points are in it, too. */
  private async useAs({ dataset: { id, columns, target, weights } }: Job): Promise<void> {
    await this.use(await get<Dataset>(`/v1/datasets/${id}`), columns ?? []);
    const used = new Set([...(columns ?? []), target]);
    this.target.value = target;
    this.rowWeights.value = weights;
    this.left.value = new Set((this.table.value?.columns ?? []).filter((name) => !used.has(name)));
  }

  async submit(): Promise<Job | null> {
    const request = this.request.value;
    try {
      return await post<Job>("/v1/jobs", request);
    } catch (error) {
      this.refuse(error, request);
      return null;
    }
  }

  private refuse(error: unknown, request: Values | null): void {
    if (!(error instanceof Problem)) return;
    this.refused.value = error;
    this.refusedRequest = request;
  }

  private async ask(request: Values | null): Promise<void> {
    if (request !== this.refusedRequest) this.refused.value = null;
    if (!request) {
      this.plan.value = null;
      this.problem.value = null;
      return;
    }
    try {
      const plan = await post<Draft>("/v1/plan", request);
      if (this.request.peek() !== request) return;
      this.plan.value = plan;
      this.problem.value = null;
    } catch (error) {
      if (error instanceof Problem && this.request.peek() === request) this.problem.value = error;
    }
  }

  private data(): Values | null {
    const [table, features, target] = [this.table.value, this.features.value, this.targetName.value];
    if (!table || features.length === 0) return null;
    const weights = table.columns.find((name) => name === this.rowWeights.value);
    if (this.source.value === "paste") {
      const rows = this.rows.value;
      const x = features.length === 1 ? rows.map((row) => row.x[0]) : rows.map((row) => row.x);
      return without({ x, y: rows.map((row) => row.y), features, target, weights: this.columnOf(table, weights) });
    }
    return this.dataset.value ? without({ id: this.dataset.value.id, features, target, weights }) : null;
  }

  private columnOf({ columns, rows }: Table, name: string | undefined): number[] | undefined {
    return name === undefined ? undefined : rows.map((row) => row[columns.indexOf(name)] ?? 0);
  }

  private askedPoints(): unknown {
    const lines = this.points.value.split("\n").filter((line) => line.trim());
    if (lines.length === 0) return undefined;
    if (this.features.value.length === 1) return lines.flatMap((line) => typed(line, true));
    return lines.map((line) => typed(line, true));
  }
}
