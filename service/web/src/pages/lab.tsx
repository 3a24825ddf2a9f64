import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { query, setQuery } from "../address.ts";
import { Problem, post } from "../api/client.ts";
import type { Graph } from "../api/types.ts";
import { faultPlace, namesIn, readValues, writeValues } from "../lab/formula.ts";
import { Panel } from "../parts/panel.tsx";
import { title } from "../parts/title.ts";
import { Walker } from "../walk/walker.tsx";
import "./lab.css";

const EXAMPLES: [string, string, Record<string, number>][] = [
  ["The lecture", "(x*w - y)**2", { x: 1, w: 1, y: 2 }],
  ["A neuron", "tanh(x*w + b)", { x: 2, w: -0.5, b: 0.3 }],
  ["Two ways to w", "c = x*w; (c - y)**2 + 0.1*w**2", { x: 2, w: 0.5, y: 3 }],
];
const PAUSE = 300;

/** Any small formula, walked as a step of a job is. The address holds it: it can be sent to a class. */
export function LabPage() {
  useEffect(() => title("Lab"), []);
  const expression = query.value.get("f") ?? EXAMPLES[0]?.[1] ?? "";
  const values = readValues(query.value.get("v") ?? "x:1,w:1,y:2");
  const names = namesIn(expression);
  const graph = useSignal<Graph | null>(null);
  const problem = useSignal<Problem | null>(null);
  const asked = JSON.stringify([expression, names.map((name) => [name, values[name] ?? 1])]);
  useEffect(() => {
    let isOld = false; // what is answered late is of another formula
    const timer = setTimeout(async () => {
      try {
        const given = Object.fromEntries(names.map((name) => [name, values[name] ?? 1]));
        const found = await post<Graph>("/v1/graphs", { expression, values: given });
        if (isOld) return;
        graph.value = found;
        problem.value = null;
      } catch (error) {
        if (!isOld && error instanceof Problem) problem.value = error;
      }
    }, PAUSE);
    return () => {
      isOld = true;
      clearTimeout(timer);
    };
  }, [asked]);
  const scrolled = useSignal(0);
  const set = (name: string, value: number) => setQuery({ v: writeValues({ ...values, [name]: value }), node: null });
  return (
    <>
      <div class="page-head">
        <h1>Lab</h1>
        <p class="faint">The chain rule of any small formula</p>
      </div>
      <Panel title="Formula" controls={<Examples />}>
        <label class="stacked">
          <span>
            Numbers, names, + − * / **, and functions as sin, exp, tanh, relu, log; statements with a semicolon between
          </span>
          <input
            class="formula-input"
            value={expression}
            maxLength={10_000}
            spellcheck={false}
            autocomplete="off"
            aria-describedby="formula-fault"
            aria-invalid={problem.value !== null}
            onInput={(event) => setQuery({ f: event.currentTarget.value, node: null })}
            onScroll={(event) => (scrolled.value = event.currentTarget.scrollLeft)}
          />
        </label>
        <Fault problem={problem.value} scrolled={scrolled.value} />
        <div class="values">
          {names.map((name) => (
            <label key={name}>
              <span>{name}</span>
              <input
                type="number"
                step="any"
                value={values[name] ?? 1}
                onInput={(event) => {
                  const value = event.currentTarget.valueAsNumber;
                  if (Number.isFinite(value)) set(name, value);
                }}
              />
            </label>
          ))}
        </div>
      </Panel>
      {graph.value && !problem.value && (
        <Panel title="Forward, then backward">
          <Walker graph={graph.value} />
        </Panel>
      )}
    </>
  );
}

function Examples() {
  return (
    <span class="actions">
      {EXAMPLES.map(([name, formula, given]) => (
        <button key={name} type="button" onClick={() => setQuery({ f: formula, v: writeValues(given), node: null })}>
          {name}
        </button>
      ))}
    </span>
  );
}

/** What is wrong, under the character where it is: a formula that is longer than its field has been scrolled. */
function Fault({ problem, scrolled }: { problem: Problem | null; scrolled: number }) {
  const detail = problem?.details.errors?.[0]?.detail ?? problem?.details.detail ?? "";
  const place = faultPlace(detail);
  return (
    <div id="formula-fault" class="formula-fault" role="status">
      {place !== null && (
        <pre aria-hidden="true" style={{ transform: `translateX(${-scrolled}px)` }}>{`${" ".repeat(place)}^`}</pre>
      )}
      <p class="fault">{detail}</p>
    </div>
  );
}
