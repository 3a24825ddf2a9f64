import { query, setQuery } from "../address.ts";
import { withQuery } from "../api/client.ts";
import type { Job, Surface } from "../api/types.ts";
import { useAnswer } from "../api/watch.ts";
import type { Pair } from "../charts/ellipse.ts";
import { SurfaceChart } from "../charts/surface.tsx";
import { number } from "../format.ts";
import { reportOf } from "../kept.ts";
import { TableBehind } from "../parts/data_table.tsx";
import { Panel } from "../parts/panel.tsx";
import { isFinal } from "../statuses.ts";
import { parameterNames } from "./lines.ts";
import type { JobStore } from "./store.ts";
import type { Model } from "./units.ts";
import { useSteps, wayOf } from "./way.ts";

/** While a worker looks at the rows, the answer says so, and is asked for again. */
const UNDERWAY_SECONDS = 2;

/** The loss over two parameters with the recorded path on it, in the space that the job is trained in. */
export function SurfacePanel({ store, job }: { store: JobStore; job: Job }) {
  const [x, y] = [query.value.get("x"), query.value.get("y")];
  const isWide = parameterNames(job).length > 2;
  const epoch = isWide ? store.settledEpoch.value : null;
  const to = withQuery(`/v1/jobs/${job.id}/surface`, { x, y, epoch });
  const answer = useAnswer<Surface>(isFinal(job.status) ? to : null, (found) =>
    found && !found.parameters ? UNDERWAY_SECONDS : null,
  );
  const steps = useSteps(job);
  const surface = answer.value.value;
  const problem = answer.problem.value;
  if (problem) {
    return (
      <Panel title="Loss surface">
        <p class="faint">{problem.details.detail}</p>
      </Panel>
    );
  }
  if (!surface?.parameters) {
    const said = isFinal(job.status) ? null : <p>When the job has ended, its loss surface stands here.</p>;
    return (
      <Panel title="Loss surface">
        <div class="reserved">{said}</div>
      </Panel>
    );
  }
  const way = wayOf(store, steps);
  const path = way.models.map((model) => pointOf(surface, model));
  const names = surface.parameters.map((name) => called(name, job));
  return (
    <Panel title="Loss surface" controls={isWide && reportOf === null && <Choices surface={surface} job={job} />}>
      <SurfaceChart {...{ surface, path, names }} index={way.index} />
      {isWide && (
        <p class="faint">The other parameters are held as they were after epoch {number(surface.epoch, 9)}.</p>
      )}
      {job.scaled && <p class="faint">Of the standardized columns, in which the job is trained.</p>}
      <TableBehind
        caption="The path of the run"
        columns={["where", ...names]}
        length={path.length}
        row={(each) => [way.places[each], ...names.map((_, axis) => number(path[each]?.[axis], 9))]}
        current={way.index}
      />
    </Panel>
  );
}

function pointOf({ parameters }: Surface, model: Model): Pair {
  const [x = 0, y = 0] = parameters.map((name) =>
    name === "bias" ? (model.bias ?? 0) : (model.weights[indexOf(name)] ?? 0),
  );
  return [x, y];
}

const indexOf = (name: string): number => Number(name.slice("weights_".length));
const called = (name: string, job: Job): string =>
  name === "bias" ? "b" : (parameterNames(job)[indexOf(name)] ?? name);

function Choices({ surface, job }: { surface: Surface; job: Job }) {
  const [x = "", y = ""] = surface.parameters;
  const choose = (name: "x" | "y", value: string) => setQuery({ x, y, [name]: value });
  return (
    <span class="actions">
      {(["x", "y"] as const).map((name) => (
        <select
          key={name}
          aria-label={`Parameter along ${name}`}
          value={name === "x" ? x : y}
          onChange={(event) => choose(name, event.currentTarget.value)}
        >
          {surface.offered.map((each) => (
            <option key={each} value={each} disabled={each === (name === "x" ? y : x)}>
              {called(each, job)}
            </option>
          ))}
        </select>
      ))}
    </span>
  );
}
