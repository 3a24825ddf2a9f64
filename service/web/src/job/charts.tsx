import { useComputed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { query, setQuery } from "../address.ts";
import type { Epoch, Job } from "../api/types.ts";
import { Curve, type Line } from "../charts/curve.tsx";
import { Legend } from "../charts/legend.tsx";
import { number } from "../format.ts";
import { Afterwards } from "../parts/afterwards.tsx";
import { TableBehind } from "../parts/data_table.tsx";
import { Choice, Panel } from "../parts/panel.tsx";
import { FitPanel } from "./fit_panel.tsx";
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
  const component = store.component.value;
  // The cursor moves many times a second, and no line depends on it.
  const asked = useComputed(() => query.value.get("scale")).value;
  const scale = useMemo(
    () => asked ?? (epochs.every((each) => each.loss > 0) ? "logarithmic" : "linear"),
    [epochs, asked],
  );
  const losses = useMemo(() => lossLines(job, epochs, scale === "logarithmic"), [job, epochs, scale]);
  const weights = useMemo(() => weightLines(job, epochs), [job, epochs]);
  const gradients = useMemo(() => gradientLines(job, epochs, component), [job, epochs, component]);
  return (
    <>
      <FitPanel store={store} job={job} />
      <SurfacePanel store={store} job={job} />
      <CurvePanel
        {...{ store, epochs }}
        title="Loss"
        lines={losses}
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
      <Afterwards>
        <CurvePanel {...{ store, epochs }} title="Weights" lines={weights} />
        <CurvePanel
          {...{ store, epochs }}
          title="Gradient"
          lines={gradients}
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
      </Afterwards>
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
  const places = useMemo(() => epochs.map((each) => each.epoch), [epochs]);
  return (
    <Panel title={title} controls={controls}>
      <Curve
        label={`${title} over epochs`}
        epochs={places}
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
