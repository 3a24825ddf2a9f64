import type { Draft } from "../api/types.ts";
import { bytes, count, number, seconds } from "../format.ts";
import { FactList, Panel } from "../parts/panel.tsx";
import { dialOf } from "./dial.ts";
import type { RequestDraft } from "./draft.ts";
import type { Values } from "./typed.ts";

/** What the job would do, as the service plans it, while it is typed. */
export function PlanView({ draft }: { draft: RequestDraft }) {
  const plan = draft.plan.value;
  const problem = draft.problem.value;
  const isOld = draft.request.value === null;
  return (
    <Panel title="What it would do">
      <div aria-live="polite">
        {problem && (
          <div class="problem">
            <strong>{problem.details.title}</strong>
            <ul>
              {(problem.details.errors ?? []).map((fault) => (
                <li key={fault.pointer}>
                  <code>{fault.pointer}</code> {fault.detail}
                </li>
              ))}
            </ul>
            {!problem.details.errors?.length && <p>{problem.details.detail}</p>}
          </div>
        )}
        {!problem && plan && !isOld && <Planned plan={plan} hyperparameters={draft.hyperparameters.value} />}
        {!problem && (!plan || isOld) && <p class="faint">When there is data, the plan stands here.</p>}
      </div>
    </Panel>
  );
}

function Planned({ plan: { plan, analysis, warnings }, hyperparameters }: { plan: Draft; hyperparameters: Values }) {
  const draft = { plan, analysis, warnings } as Draft;
  const facts: [string, string][] = [
    ["Steps", count(plan.steps)],
    ["Time", `about ${seconds(plan.estimated_seconds)}`],
    [
      "Recorded",
      `${count(plan.recorded_numbers)} numbers${plan.recorded_bytes === null ? "" : `, ${bytes(plan.recorded_bytes)}`}`,
    ],
    ["Every step kept", plan.steps_recorded ? "yes" : "no: each is replayed when it is asked for"],
    ["Learning rate", number(plan.learning_rate)],
  ];
  if (analysis?.exact) facts.push(["Exact loss", number(analysis.exact.loss)]);
  if (analysis?.condition_number) facts.push(["Condition number", number(analysis.condition_number)]);
  return (
    <>
      {warnings.map((warning) => (
        <p class="notice" key={warning}>
          {warning}
        </p>
      ))}
      <RateDial draft={draft} hyperparameters={hyperparameters} />
      <p>
        <b>{plan.engine}</b>: {plan.why}.
      </p>
      {plan.learning_rate_rule && <p class="faint">{plan.learning_rate_rule}</p>}
      <FactList facts={facts} />
    </>
  );
}

/** What the limit is about: the squared error under plain descent at one rate. */
function isPlainDescent({ optimizer, loss, schedule }: Values): boolean {
  const { name = "sgd", momentum = 0 } = (optimizer ?? {}) as Values;
  const { name: pace = "constant" } = (schedule ?? {}) as Values;
  return name === "sgd" && !momentum && pace === "constant" && (loss ?? "squared_error") === "squared_error";
}

const SAID = {
  converges: "converges without overshooting",
  overshoots: "overshoots the minimum at every step, and still converges",
  diverges: "diverges",
} as const;

function RateDial({ draft, hyperparameters }: { draft: Draft; hyperparameters: Values }) {
  const dial = dialOf(draft);
  if (!dial || !isPlainDescent(hyperparameters)) return null;
  const isFull = hyperparameters.batch_size === "full";
  const perRow = draft.analysis?.max_stable_learning_rate_per_row;
  const [left, half, limit] = [dial.place, dial.halfPlace, dial.limitPlace].map((place) => 8 + 384 * place);
  return (
    <figure class="dial">
      <svg
        viewBox="0 0 400 56"
        role="img"
        aria-label={`The rate ${number(dial.rate)} against the limit ${number(dial.stable)}`}
      >
        <rect class="zone-converges" x="8" y="22" width={(half ?? 0) - 8} height="10" />
        <rect class="zone-overshoots" x={half} y="22" width={(limit ?? 0) - (half ?? 0)} height="10" />
        <rect class="zone-diverges" x={limit} y="22" width={392 - (limit ?? 0)} height="10" />
        <path class="dial-limit" d={`M${limit} 16v22`} />
        <text x={limit} y="52" text-anchor="middle">
          2/λ = {number(dial.stable, 4)}
        </text>
        <path class={`dial-hand zone-${dial.zone}`} d={`M${left} 34 l-6-22h12z`} />
      </svg>
      <figcaption>
        Descent on all rows at {number(dial.rate)} <b>{SAID[dial.zone]}</b>.
        {!isFull && perRow && ` Batches see less of the data: row by row no step overshoots below ${number(perRow)}.`}
      </figcaption>
    </figure>
  );
}
