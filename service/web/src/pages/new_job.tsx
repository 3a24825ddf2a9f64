import { type Signal, useSignal } from "@preact/signals";
import type { TargetedSubmitEvent } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { go, query } from "../address.ts";
import { Problem } from "../api/client.ts";
import { mayChange } from "../api/session.ts";
import { Link } from "../parts/link.tsx";
import { Panel } from "../parts/panel.tsx";
import { idOf, ProblemBox } from "../parts/problem.tsx";
import { title } from "../parts/title.ts";
import { DataPart } from "../request/data_part.tsx";
import { RequestDraft } from "../request/draft.ts";
import { faultsIn } from "../request/faults.ts";
import { Faults, FieldRow } from "../request/field.tsx";
import type { Field, RequestFields } from "../request/fields.ts";
import { PlanView } from "../request/plan_view.tsx";
import { Preview } from "../request/preview.tsx";
import { requestFields } from "../request/schema.ts";
import { type Values, without } from "../request/typed.ts";
import { LectureButton } from "./jobs.tsx";
import "../request/request.css";

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
      {draft.refused.value && <ProblemBox problem={draft.refused.value} />}
      {draft.isReady.value ? (
        <form class="request" onSubmit={submit} noValidate>
          <div class="request-said">
            <DataPart draft={draft} />
            <Fields draft={draft} />
            <p>
              <button type="submit" class="primary" disabled={draft.request.value === null || !mayChange.value}>
                Train
              </button>
              {!mayChange.value && " Your key looks and plans. It takes one of the scope train to train."}
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

function Fields({ draft }: { draft: RequestDraft }) {
  const fields = useSignal<RequestFields | null>(null);
  const problem = useSignal<Problem | null>(null);
  useEffect(() => {
    requestFields()
      .then((found) => (fields.value = found))
      .catch((error) => (problem.value = error instanceof Problem ? error : null));
  }, []);
  return (
    <>
      {problem.value && <ProblemBox problem={problem.value} />}
      <Hyperparameters draft={draft} fields={fields.value?.hyperparameters ?? []} />
      <Besides draft={draft} fields={fields.value?.besides ?? []} />
    </>
  );
}

interface FieldsProps {
  draft: RequestDraft;
  fields: Field[];
}

function Hyperparameters({ draft, fields }: FieldsProps) {
  const problem = draft.refused.value ?? draft.problem.value;
  const first = FIRST.flatMap((name) => fields.filter((field) => field.name === name));
  const others = fields.filter((field) => !FIRST.includes(field.name));
  const rows = (shown: Field[]) => <Rows fields={shown} values={draft.hyperparameters} {...{ problem, at: HERE }} />;
  return (
    <Panel title="Hyperparameters">
      {rows(first)}
      {others.length > 0 && (
        <details class="behind" open={others.some(({ name }) => faultsIn(problem, `${HERE}/${name}`).length > 0)}>
          <summary>{others.length} others</summary>
          {rows(others)}
        </details>
      )}
    </Panel>
  );
}

const HERE = "/hyperparameters";

interface RowsProps {
  fields: Field[];
  values: Signal<Values>;
  problem: Problem | null;
  /** The pointer of what the fields are parts of. */
  at: string;
}

function Rows({ fields, values, problem, at }: RowsProps) {
  return (
    <>
      {fields.map((field) => (
        <FieldRow
          key={field.name}
          field={field}
          pointer={`${at}/${field.name}`}
          value={values.value[field.name]}
          problem={problem}
          onChange={(value) => (values.value = without({ ...values.value, [field.name]: value }))}
        />
      ))}
    </>
  );
}

function Besides({ draft, fields }: FieldsProps) {
  const problem = draft.refused.value ?? draft.problem.value;
  const faults = faultsIn(problem, "/predict");
  const id = idOf("/predict");
  return (
    <Panel title="Besides">
      <div class={`field${faults.length > 0 ? " field-wrong" : ""}`}>
        <label for={id}>predict</label>
        <textarea
          id={id}
          rows={2}
          aria-describedby={`${id}-help`}
          aria-invalid={faults.length > 0}
          value={draft.points.value}
          onInput={(event) => (draft.points.value = event.currentTarget.value)}
        />
        <small id={`${id}-help`}>
          <Faults faults={faults} />
          Points to predict before and after training: a line each.
        </small>
      </div>
      <Rows fields={fields} values={draft.besides} problem={problem} at="" />
    </Panel>
  );
}
