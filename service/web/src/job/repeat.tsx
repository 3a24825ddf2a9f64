import { useSignal } from "@preact/signals";
import { root } from "../address.ts";
import { session } from "../api/session.ts";
import type { Job } from "../api/types.ts";
import { Choice, Panel } from "../parts/panel.tsx";

/** The calls that do the same again, to be copied. */
export function Repeat({ job }: { job: Job }) {
  const language = useSignal<"curl" | "python">("curl");
  const copied = useSignal(false);
  const text = language.value === "curl" ? asCurl(job) : asPython(job);
  async function copy(): Promise<void> {
    await navigator.clipboard.writeText(text);
    copied.value = true;
    setTimeout(() => (copied.value = false), 2000);
  }
  return (
    <Panel
      title="Repeat it"
      controls={
        <Choice
          label="Language"
          value={language.value}
          options={[
            ["curl", "curl"],
            ["python", "Python"],
          ]}
          onChange={(value) => (language.value = value)}
        />
      }
    >
      <pre tabIndex={0}>{text}</pre>
      <button type="button" onClick={copy}>
        {copied.value ? "Copied" : "Copy"}
      </button>
    </Panel>
  );
}

const origin = (): string => window.location.origin + root;

export function asCurl(job: Job): string {
  return [
    `curl -X POST ${origin()}/v1/jobs/${job.id}/rerun \\`,
    ...(session.value?.key_id ? ['  -H "Authorization: Bearer $SLOPE_API_KEY" \\'] : []),
    "  -H 'Content-Type: application/json' \\",
    "  -d '{}'   # or changes, as '{\"hyperparameters\": {\"epochs\": 100}}'",
  ].join("\n");
}

export function asPython(job: Job): string {
  return [
    "from slope.client import Client",
    "",
    `with Client("${origin()}") as client:`,
    `    job = client.rerun("${job.id}", {})   # or changes: {"hyperparameters": {"epochs": 100}}`,
    "    print(client.wait(job.id).weights)",
  ].join("\n");
}
