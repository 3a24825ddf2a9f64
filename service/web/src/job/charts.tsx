import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { query, setQuery } from "../address.ts";
import { get } from "../api/client.ts";
import type { Audit, Epoch, Job } from "../api/types.ts";
import { Curve, type Line } from "../charts/curve.tsx";
import { Fit } from "../charts/fit.tsx";
import { Legend } from "../charts/legend.tsx";
import { number } from "../format.ts";
import { TableBehind } from "../parts/data_table.tsx";
import { Choice, Panel } from "../parts/panel.tsx";
import { gradientLines, lossLines, parameterNames, weightLines } from "./lines.ts";
import { said } from "./scrubber.tsx";
import type { JobStore } from "./store.ts";
import { SurfacePanel } from "./surface_panel.tsx";
import { indexAt } from "./thinning.ts";

interface ChartsProps {
  store: JobStore;
  job: Job;
}

export function Charts({ store, job }: ChartsProps) {
  const epochs = store.records.drawn.value;
  const names = parameterNames(job);
  const scale = query.value.get("scale") ?? (epochs.every((each) => each.loss > 0) ? "logarithmic" : "linear");
  const component = query.value.get("gradient") ?? "norm";
  return (
    <>
      <FitPanel store={store} job={job} />
      <SurfacePanel store={store} job={job} />
      <CurvePanel
        {...{ store, epochs }}
        title="Loss"
        lines={lossLines(job, epochs, scale === "logarithmic")}
        isLogarithmic={scale === "logarithmic"}
        controls={
          <Choice
            label="Scale of the loss"
            value={scale}
            options={[
              ["linear", "linear"],
              ["logarithmic", "log"],
            ]}
            onChange={(value) => setQuery({ scale: value })}
          />
        }
      />
      <CurvePanel {...{ store, epochs }} title="Weights" lines={weightLines(job, epochs)} />
      <CurvePanel
        {...{ store, epochs }}
        title="Gradient"
        lines={gradientLines(job, epochs, component)}
        controls={
          <select
            aria-label="Part of the gradient"
            value={component}
            onChange={(event) => setQuery({ gradient: event.currentTarget.value })}
          >
            <option value="norm">norm</option>
            {names.map((name, index) => (
              <option key={name} value={index}>
                ∂L/∂{name}
              </option>
            ))}
          </select>
        }
      />
    </>
  );
}

interface CurvePanelProps {
  store: JobStore;
  epochs: Epoch[];
  title: string;
  lines: Line[];
  isLogarithmic?: boolean;
  controls?: preact.ComponentChildren;
}

function CurvePanel({ store, epochs, title, lines, isLogarithmic = false, controls }: CurvePanelProps) {
  const index = store.epoch.value < 0 ? -1 : indexAt(epochs, store.epoch.value);
  return (
    <Panel title={title} controls={controls}>
      <Curve
        label={`${title} over epochs`}
        epochs={epochs.map((each) => each.epoch)}
        {...{ lines, isLogarithmic }}
        cursor={store.epoch.value}
        stretch={store.records.stretch.value}
        onMove={(epoch) => store.move(epoch)}
        onZoom={(stretch) => store.zoom(stretch)}
        said={said(store)}
      />
      <Legend lines={lines} index={index} />
      <TableBehind
        caption={`${title} by epoch`}
        columns={["epoch", ...lines.map((line) => line.name)]}
        length={epochs.length}
        row={(each) => [epochs[each]?.epoch, ...lines.map((line) => number(line.values[each], 9))]}
        current={index}
      />
    </Panel>
  );
}

function FitPanel({ store, job }: ChartsProps) {
  const sized = query.value.get("pulls") === "1";
  const audit = useSignal<Audit | null>(null);
  const epoch = Math.max(0, store.epoch.value);
  const rows = store.rows.value;
  useEffect(() => {
    if (!sized) return;
    let isOld = false; // what is answered late is of another epoch
    const show = (found: Audit | null) => {
      if (!isOld) audit.value = found;
    };
    const timer = setTimeout(() => {
      get<Audit>(`/v1/jobs/${job.id}/epochs/${epoch}/audit?limit=1000`)
        .then(show)
        .catch(() => show(null));
    }, 150);
    return () => {
      isOld = true;
      clearTimeout(timer);
    };
  }, [sized, epoch]);
  return (
    <Panel
      title="Fit"
      controls={
        <label class="check">
          <input
            type="checkbox"
            checked={sized}
            onChange={(event) => setQuery({ pulls: event.currentTarget.checked ? "1" : null })}
          />
          Size = pull on the model
        </label>
      }
    >
      {rows.length > 0 ? (
        <Fit
          {...{ job, rows }}
          model={store.model.value}
          start={store.ownStart.value}
          pulls={sized && audit.value ? pullsOf(audit.value, rows.length) : null}
        />
      ) : (
        <div class="reserved" />
      )}
      {job.dataset.rows > rows.length && rows.length > 0 && (
        <p class="faint">The first {number(rows.length)} rows are shown.</p>
      )}
      <TableBehind
        caption="Rows with what the model predicts for them"
        columns={["row", ...(job.dataset.columns ?? []), job.dataset.target, "predicted", "residual"]}
        length={rows.length}
        row={(index) => store.rowCells(index)}
      />
    </Panel>
  );
}

function pullsOf(audit: Audit, count: number): number[] {
  const largest = Math.max(...audit.contributions.map((each) => each.norm), Number.MIN_VALUE);
  const pulls = new Array<number>(count).fill(0);
  for (const each of audit.contributions) if (each.row < count) pulls[each.row] = each.norm / largest;
  return pulls;
}
