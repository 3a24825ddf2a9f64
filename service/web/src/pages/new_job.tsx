import { useSignal } from "@preact/signals";
import type { TargetedSubmitEvent } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { go, query } from "../address.ts";
import { Problem } from "../api/client.ts";
import { Link } from "../parts/link.tsx";
import { Panel } from "../parts/panel.tsx";
import { idOf, ProblemBox } from "../parts/problem.tsx";
import { title } from "../parts/shell.tsx";
import { DataPart } from "../request/data_part.tsx";
import { RequestDraft } from "../request/draft.ts";
import { FieldRow } from "../request/field.tsx";
import type { Field } from "../request/fields.ts";
import { PlanView } from "../request/plan_view.tsx";
import { Preview } from "../request/preview.tsx";
import { hyperparameterFields } from "../request/schema.ts";
import { LectureButton } from "./jobs.tsx";

/** Those that most jobs are about; the others are a click away. */
const FIRST = [
  "epochs",
  "learning_rate",
  "batch_size",
  "optimizer",
  "loss",
  "fit_bias",
  "initial_weights",
  "standardize",
];

export function NewJobPage() {
  useEffect(() => title("New job"), []);
  const draft = useMemo(() => new RequestDraft(), []);
  const from = query.value.get("from");
  const dataset = query.value.get("dataset");
  useEffect(() => draft.open(), [draft]);
  useEffect(() => {
    if (from) void draft.startFrom(from);
    else if (dataset) void draft.startOn(dataset);
  }, [draft, from, dataset]);
  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const job = await draft.submit();
    if (job) go(`/jobs/${job.id}`);
  }
  return (
    <>
      <p class="crumbs">
        <Link to="/">Jobs</Link>
      </p>
      <div class="page-head">
        <h1>{from ? "Run again with changes" : "New job"}</h1>
        {!from && <LectureButton />}
      </div>
      {draft.refused.value && <ProblemBox problem={draft.refused.value} shownAt={pointersOf(draft.refused.value)} />}
      {draft.isReady.value ? (
        <form class="request" onSubmit={submit} noValidate>
          <div class="request-said">
            <DataPart draft={draft} />
            <Hyperparameters draft={draft} />
            <Others draft={draft} />
            <p>
              <button type="submit" class="primary" disabled={draft.request.value === null}>
                Train
              </button>
            </p>
          </div>
          <div class="request-means">
            <PlanView draft={draft} />
            <Preview draft={draft} />
          </div>
        </form>
      ) : (
        <div class="reserved tall" />
      )}
    </>
  );
}

const pointersOf = (problem: Problem): string[] =>
  (problem.details.errors ?? [])
    .map((fault) => fault.pointer)
    .filter((pointer) => document.getElementById(idOf(pointer)));

function Hyperparameters({ draft }: { draft: RequestDraft }) {
  const fields = useSignal<Field[]>([]);
  const problem = useSignal<Problem | null>(null);
  useEffect(() => {
    hyperparameterFields()
      .then((found) => (fields.value = found))
      .catch((error) => (problem.value = error instanceof Problem ? error : null));
  }, []);
  const first = FIRST.flatMap((name) => fields.value.filter((field) => field.name === name));
  const others = fields.value.filter((field) => !FIRST.includes(field.name));
  const rows = (shown: Field[]) =>
    shown.map((field) => (
      <FieldRow
        key={field.name}
        field={field}
        pointer={`/hyperparameters/${field.name}`}
        value={draft.hyperparameters.value[field.name]}
        problem={draft.refused.value ?? draft.problem.value}
        onChange={(value) => draft.set(field.name, value)}
      />
    ));
  return (
    <Panel title="Hyperparameters">
      {problem.value && <ProblemBox problem={problem.value} />}
      {rows(first)}
      {others.length > 0 && (
        <details class="behind">
          <summary>{others.length} others</summary>
          {rows(others)}
        </details>
      )}
    </Panel>
  );
}

function Others({ draft }: { draft: RequestDraft }) {
  return (
    <Panel title="Besides">
      <div class="field">
        <label for="field-name">name</label>
        <input
          id="field-name"
          value={draft.name.value}
          maxLength={200}
          onInput={(event) => (draft.name.value = event.currentTarget.value)}
        />
        <small>For people, and to find it by.</small>
      </div>
      <div class="field">
        <label for="field-predict">predict</label>
        <textarea
          id="field-predict"
          rows={2}
          value={draft.points.value}
          onInput={(event) => (draft.points.value = event.currentTarget.value)}
        />
        <small>Points to predict before and after training: a line each.</small>
      </div>
    </Panel>
  );
}
