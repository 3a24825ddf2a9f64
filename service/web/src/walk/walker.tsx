// The walk through a graph: forward values first, then backward from node to node.

import { useSignal } from "@preact/signals";
import type { TargetedKeyboardEvent, TargetedSubmitEvent } from "preact";
import { useEffect } from "preact/hooks";
import { query, setQuery } from "../address.ts";
import type { Graph, GraphEdge, GraphNode } from "../api/types.ts";
import { number } from "../format.ts";
import { Drawing } from "./drawing.tsx";
import { called, shown, shownForward } from "./numbers.ts";
import { handedOn, type Walk, walkAt } from "./order.ts";
import "./walk.css";

const CLOSE = 1e-3;

export function Walker({ graph }: { graph: Graph }) {
  const walk = walkAt(graph, query.value.get("node"));
  const asks = query.value.get("class") === "1";
  const revealed = useSignal<ReadonlySet<string>>(new Set());
  const goTo = (visited: number) =>
    setQuery({ node: walk.order[Math.min(visited, walk.order.length) - 1]?.id ?? null });
  const here = walk.current;
  const isHidden = asks && here !== null && !revealed.value.has(here.id) && handedOn(graph, here).length > 0;

  function byKey(event: TargetedKeyboardEvent<HTMLDivElement>): void {
    if (event.target instanceof HTMLInputElement) return;
    const goals: Record<string, number> = {
      ArrowRight: walk.visited + 1,
      ArrowLeft: walk.visited - 1,
      Home: 0,
      End: walk.order.length,
    };
    const goal = goals[event.key];
    if (goal === undefined || event.metaKey || event.altKey) return;
    event.preventDefault();
    goTo(Math.max(0, goal));
  }

  return (
    <div onKeyDown={byKey}>
      <Drawing
        {...{ graph, walk }}
        onChoose={(id) => setQuery({ node: id })}
        hidden={new Set(isHidden ? [here.id] : [])}
      />
      <div class="walk-buttons">
        <button type="button" disabled={walk.visited === 0} onClick={() => goTo(0)}>
          Forward pass
        </button>
        <button type="button" disabled={walk.visited === 0} onClick={() => goTo(walk.visited - 1)}>
          Back
        </button>
        <button
          type="button"
          class="primary"
          disabled={walk.visited === walk.order.length}
          onClick={() => goTo(walk.visited + 1)}
        >
          {walk.visited === 0 ? "Go backward" : "Next"}
        </button>
        <span class="faint">
          {walk.visited} of {walk.order.length} nodes
        </span>
        <label class="check">
          <input
            type="checkbox"
            checked={asks}
            onChange={(event) => setQuery({ class: event.currentTarget.checked ? "1" : null })}
          />
          Class mode: predict first
        </label>
      </div>
      <div class="walk-said" aria-live="polite">
        {here === null ? (
          <p>
            <b>Forward.</b> Every node has its value: the result is {shownForward(graph.loss)}. No gradient has arrived
            anywhere yet.
          </p>
        ) : (
          <Visit
            key={here.id}
            {...{ graph, walk, here, isHidden }}
            onReveal={() => (revealed.value = new Set([...revealed.value, here.id]))}
          />
        )}
      </div>
    </div>
  );
}

interface VisitProps {
  graph: Graph;
  walk: Walk;
  here: GraphNode;
  isHidden: boolean;
  onReveal: () => void;
}

function Visit({ graph, walk, here, isHidden, onReveal }: VisitProps) {
  const ways = handedOn(graph, here);
  const arrived = graph.edges.filter((edge) => edge.source === here.id && edge.product !== null);
  const [first] = ways;
  return (
    <>
      <p>
        <b>{called(here)}</b>{" "}
        {walk.visited === 1 ? (
          <>
            is the result. The way back begins here with <Backward>{shown(here.upstream)}</Backward>.
          </>
        ) : (
          <>
            gets{" "}
            <Backward>
              {arrived.length > 1 ? `${arrived.map((edge) => shown(edge.product)).join(" + ")} = ` : ""}
              {shown(here.upstream)}
            </Backward>{" "}
            from above.
          </>
        )}
      </p>
      {isHidden && first ? (
        <Guess edge={first.edge} to={called(first.to)} upstream={here.upstream} onReveal={onReveal} />
      ) : (
        <ul class="products">
          {ways.map(({ edge, to }) => (
            <li key={edge.source}>
              {edge.local === null ? (
                "The chain rule of these rows gives "
              ) : (
                <>
                  <Backward>{shown(here.upstream)}</Backward> × <i class="local">{shown(edge.local)}</i> ={" "}
                </>
              )}
              <Backward>{shown(edge.product)}</Backward> goes on to <b>{called(to)}</b>
            </li>
          ))}
        </ul>
      )}
      {here.kind === "leaf" && here.grad !== null && (
        <p>
          <b>{called(here)}</b> is a parameter: what arrived is left in <code>.grad</code>, which is now{" "}
          <Backward>{shown(here.grad, 9)}</Backward>.
        </p>
      )}
    </>
  );
}

function Backward({ children }: { children: preact.ComponentChildren }) {
  return <span class="backward">{children}</span>;
}

interface GuessProps {
  edge: GraphEdge;
  to: string;
  upstream: GraphNode["upstream"];
  onReveal: () => void;
}

/** Class mode: what goes on is asked before it is told. */
function Guess({ edge, to, upstream, onReveal }: GuessProps) {
  const text = useSignal("");
  const said = useSignal("");
  useEffect(() => {
    said.value = "";
  }, [edge]);
  function judge(event: TargetedSubmitEvent<HTMLFormElement>): void {
    event.preventDefault();
    const truth = typeof edge.product === "number" ? edge.product : Number.NaN;
    const guess = Number(text.value.replace("−", "-"));
    const isRight = Math.abs(guess - truth) <= CLOSE * Math.max(1e-9, Math.abs(truth));
    said.value = isRight
      ? "Right."
      : `Not ${number(guess)}. The local derivative times ${shown(upstream)} is asked for.`;
    if (isRight) onReveal();
  }
  return (
    <form onSubmit={judge} class="inline-form">
      <label class="captioned">
        <span>What goes on to {to}?</span>
        <input inputMode="decimal" value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
      </label>
      <button type="submit">Check</button>
      <button type="button" onClick={onReveal}>
        Reveal
      </button>
      <span role="status">{said.value}</span>
    </form>
  );
}
