import { useSignal } from "@preact/signals";
import type { TargetedDragEvent } from "preact";
import { mayChange } from "../api/session.ts";
import "./file_drop.css";

/** A place for one file, dropped or chosen. */
export function FileDrop({ onFile }: { onFile: (file: File) => Promise<void> }) {
  const isBusy = useSignal(false);
  async function take(file: File | undefined): Promise<void> {
    if (!file) return;
    isBusy.value = true;
    await onFile(file).finally(() => (isBusy.value = false));
  }
  if (!mayChange.value)
    return <p class="faint">Your key only looks. It takes one of the scope train to upload a file.</p>;
  function drop(event: TargetedDragEvent<HTMLLabelElement>): void {
    event.preventDefault();
    void take(event.dataTransfer?.files[0]);
  }
  return (
    <label class="drop" onDrop={drop} onDragOver={(event) => event.preventDefault()}>
      <span>
        {isBusy.value ? "It is being read …" : "Drop a file here, or choose one: CSV, NDJSON, JSON, Parquet or Arrow"}
      </span>
      <input type="file" disabled={isBusy.value} onChange={(event) => take(event.currentTarget.files?.[0])} />
    </label>
  );
}
