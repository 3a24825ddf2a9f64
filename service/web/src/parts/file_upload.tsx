import { type Signal, useSignal } from "@preact/signals";
import { Problem, upload, withQuery } from "../api/client.ts";
import { mayChange } from "../api/session.ts";
import type { Dataset } from "../api/types.ts";
import { FileDrop } from "./file_drop.tsx";
import { idOf, ProblemBox } from "./problem.tsx";
import "./file_upload.css";
import { OPTIONS, type Option, parametersOf, type Reading } from "./reading.ts";

export interface Upload {
  reading: Signal<Reading>;
  problem: Signal<Problem | null>;
  /** What was sent last: it can be sent again, to be read in another way. */
  last: Signal<File | null>;
  send: (file: File) => Promise<void>;
}

/** Files that become datasets. */
export function useUpload(onDataset: (dataset: Dataset) => unknown): Upload {
  const reading = useSignal<Reading>({});
  const problem = useSignal<Problem | null>(null);
  const last = useSignal<File | null>(null);
  async function send(file: File): Promise<void> {
    last.value = file;
    problem.value = null;
    try {
      await onDataset(await upload<Dataset>(withQuery("/v1/datasets", parametersOf(reading.value)), file));
    } catch (error) {
      if (error instanceof Problem) problem.value = error;
    }
  }
  return { reading, problem, last, send };
}

/** A place for a file, how it is to be read, and why it was refused. */
export function FileUpload({ upload }: { upload: Upload }) {
  const { reading, problem, last, send } = upload;
  const file = last.value;
  return (
    <>
      <FileDrop onFile={send} />
      {problem.value && <ProblemBox problem={problem.value} />}
      {mayChange.value && (
        <details class="behind" open={problem.value !== null}>
          <summary>How the file is read</summary>
          <div class="reading">
            {OPTIONS.map((option) => (
              <Field key={option.name} option={option} reading={reading} />
            ))}
          </div>
          {file && (
            <p>
              <button type="button" onClick={() => send(file)}>
                Read {file.name} again
              </button>
            </p>
          )}
        </details>
      )}
    </>
  );
}

function Field({ option, reading }: { option: Option; reading: Signal<Reading> }) {
  const { name, said, choices, example } = option;
  const id = idOf(`/query/${name}`);
  const usual = {
    id,
    value: reading.value[name] ?? "",
    onInput: (event: { currentTarget: { value: string } }) => {
      reading.value = { ...reading.value, [name]: event.currentTarget.value };
    },
  };
  return (
    <label class="captioned" for={id}>
      <span>
        {said} (<code>{name}</code>)
      </span>
      {choices ? (
        <select {...usual}>
          <option value="">as usual</option>
          {choices.map(([value, words]) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
      ) : (
        <input {...usual} type="text" placeholder={example} spellcheck={false} />
      )}
    </label>
  );
}
