import type { TargetedDragEvent } from "preact";
import type { Dataset, Page } from "../api/types.ts";
import { useAnswer } from "../api/watch.ts";
import { count, plural } from "../format.ts";
import { FileUpload, useUpload } from "../parts/file_upload.tsx";
import { Choice, Panel } from "../parts/panel.tsx";
import { idOf } from "../parts/problem.tsx";
import type { RequestDraft, Source } from "./draft.ts";
import { faultsIn } from "./faults.ts";
import { Faults } from "./field.tsx";

const SOURCES: [Source, string][] = [
  ["paste", "Paste"],
  ["file", "File"],
  ["dataset", "Dataset"],
];
const EXAMPLE = "x\ty\n1\t2\n2\t4\n3\t6";

/** What is learnt from: numbers that are pasted, a file, or a dataset that is there already. */
export function DataPart({ draft }: { draft: RequestDraft }) {
  const source = draft.source.value;
  const upload = useUpload((dataset) => draft.use(dataset));
  const faults = faultsIn(draft.refused.value ?? draft.problem.value, "/dataset");
  function drop(event: TargetedDragEvent<HTMLDivElement>): void {
    const file = event.dataTransfer?.files[0];
    if (!file || event.defaultPrevented) return;
    event.preventDefault(); // else the browser shows the file in the place of this page
    draft.source.value = "file";
    void upload.send(file);
  }
  return (
    <div onDrop={drop} onDragOver={(event) => event.preventDefault()}>
      <Panel
        title="Data"
        controls={
          <Choice
            label="Where the data comes from"
            value={source}
            options={SOURCES}
            onChange={(value) => (draft.source.value = value)}
          />
        }
      >
        {source === "paste" && <Pasted draft={draft} />}
        {source === "file" && <FileUpload upload={upload} />}
        {source === "dataset" && <DatasetChoice draft={draft} />}
        {draft.dataset.value?.notes.map((note) => (
          <p class="faint" key={note}>
            {note}
          </p>
        ))}
        {faults.length > 0 && (
          <p>
            <Faults faults={faults} />
          </p>
        )}
        <Columns draft={draft} />
      </Panel>
    </div>
  );
}

function Pasted({ draft }: { draft: RequestDraft }) {
  const { reading } = draft;
  const isEmpty = draft.text.value.trim() === "";
  return (
    <>
      <label class="stacked">
        <span>Rows of numbers, the target last; names above them if you like</span>
        <textarea
          id={idOf("/dataset")}
          rows={7}
          spellcheck={false}
          value={draft.text.value}
          placeholder={EXAMPLE}
          aria-describedby="paste-said"
          onInput={(event) => (draft.text.value = event.currentTarget.value)}
        />
      </label>
      <p id="paste-said" class={!isEmpty && "fault" in reading.value ? "fault" : "faint"}>
        {"fault" in reading.value
          ? reading.value.fault
          : `${plural(reading.value.table.rows.length, "row")} of ${plural(reading.value.table.columns.length, "column")}.`}
      </p>
      {isEmpty && (
        <button type="button" onClick={() => (draft.text.value = EXAMPLE)}>
          Take the lecture’s points
        </button>
      )}
    </>
  );
}

function DatasetChoice({ draft }: { draft: RequestDraft }) {
  const found = useAnswer<Page<Dataset>>("/v1/datasets?limit=200").value.value?.data ?? [];
  const chosen = draft.dataset.value;
  const offered = chosen && !found.some((each) => each.id === chosen.id) ? [chosen, ...found] : found;
  if (offered.length === 0) return <p class="faint">There is no dataset yet: choose “File” to upload one.</p>;
  return (
    <label class="stacked">
      <span>Dataset</span>
      <select
        id={idOf("/dataset")}
        value={chosen?.id ?? ""}
        onChange={(event) => {
          const dataset = offered.find((each) => each.id === event.currentTarget.value);
          if (dataset) void draft.use(dataset);
        }}
      >
        <option value="" disabled>
          Choose one
        </option>
        {offered.map((each) => (
          <option key={each.id} value={each.id}>
            {each.name ?? "rows of a job"}
            {each.version !== null && each.version > 1 ? ` (version ${each.version})` : ""}, {count(each.rows)} ×{" "}
            {each.columns.length}
          </option>
        ))}
      </select>
    </label>
  );
}

function Columns({ draft }: { draft: RequestDraft }) {
  const table = draft.table.value;
  if (!table) return null;
  const others = table.columns.filter((name) => name !== draft.targetName.value && name !== draft.rowWeights.value);
  const canWeigh = table.columns.length > 2 || draft.rowWeights.value !== null;
  function toggle(name: string, isUsed: boolean): void {
    const left = new Set(draft.left.value);
    isUsed ? left.delete(name) : left.add(name);
    draft.left.value = left;
  }
  return (
    <div class="columns">
      <label class="captioned">
        <span>Target</span>
        <select
          id={idOf("/dataset/target")}
          value={draft.targetName.value}
          onChange={(event) => (draft.target.value = event.currentTarget.value)}
        >
          {table.columns.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      {canWeigh && (
        <label class="captioned">
          <span>How much each row counts</span>
          <select
            id={idOf("/dataset/weights")}
            value={draft.rowWeights.value ?? ""}
            onChange={(event) => (draft.rowWeights.value = event.currentTarget.value || null)}
          >
            <option value="">all alike</option>
            {table.columns
              .filter((name) => name !== draft.targetName.value)
              .map((name) => (
                <option key={name}>{name}</option>
              ))}
          </select>
        </label>
      )}
      <fieldset>
        <legend>Features</legend>
        {others.slice(0, 100).map((name) => (
          <label key={name} class="check">
            <input
              type="checkbox"
              checked={!draft.left.value.has(name)}
              onChange={(event) => toggle(name, event.currentTarget.checked)}
            />
            {name}
          </label>
        ))}
        {others.length > 100 && <span class="faint">and {count(others.length - 100)} others</span>}
      </fieldset>
    </div>
  );
}
