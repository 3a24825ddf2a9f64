import { useSignal } from "@preact/signals";
import type { TargetedSubmitEvent } from "preact";
import { useEffect } from "preact/hooks";
import { Problem } from "../api/client.ts";
import { signIn } from "../api/session.ts";
import { Panel } from "../parts/panel.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { title } from "../parts/title.ts";

/** Where somebody shows a key, which this browser then sends by itself until it is closed. */
export function SignInPage() {
  useEffect(() => title("Sign in"), []);
  const key = useSignal("");
  const refused = useSignal<Problem | null>(null);
  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    refused.value = null;
    try {
      await signIn(key.value.trim());
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refused.value = error;
    }
  }
  return (
    <>
      <div class="page-head">
        <h1>Sign in</h1>
      </div>
      {refused.value && <ProblemBox problem={refused.value} />}
      <Panel title="Your key">
        <form onSubmit={submit} class="inline-form">
          <label class="captioned">
            <span>It begins with slope_</span>
            <input
              type="password"
              autocomplete="current-password"
              required
              value={key.value}
              onInput={(event) => (key.value = event.currentTarget.value)}
            />
          </label>
          <button type="submit" class="primary">
            Sign in
          </button>
        </form>
        <p class="faint">
          Who runs this service makes keys: <code>slope keys create NAME --scope train</code>
        </p>
      </Panel>
    </>
  );
}
