import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Job } from "../api/types.ts";
import { isStill } from "../charts/theme.ts";
import { count, number } from "../format.ts";
import { isVisible } from "../visible.ts";
import type { JobStore } from "./store.ts";

const PLAY_SECONDS = 8;
const FRAME = 60;

/** The cursor: one epoch, for all charts. */
export function Scrubber({ store, job }: { store: JobStore; job: Job }) {
  const epoch = store.epoch.value;
  const last = store.records.last;
  return (
    <div class="scrubber">
      <div class="scrubber-row">
        <Player store={store} />
        <input
          type="range"
          min={-1}
          max={last}
          value={epoch}
          aria-label="Epoch"
          aria-valuetext={said(store)}
          onInput={(event) => store.move(event.currentTarget.valueAsNumber)}
        />
        <button type="button" aria-pressed={isFollowing(store)} onClick={() => store.move(null)}>
          Last
        </button>
      </div>
      <output class="readout">
        <b>{epoch < 0 ? "Before training" : `After epoch ${count(epoch)}`}</b>
        <Numbers store={store} />
      </output>
      {store.records.isThinned.value && (
        <p class="faint">
          {count(store.records.drawn.value.length)} of {count(job.progress.epochs_done)} epochs are drawn, every extreme
          of loss and gradient kept. Drag over a chart to look closer, double-click or Escape to see all.
        </p>
      )}
    </div>
  );
}

const isFollowing = (store: JobStore): boolean => store.epoch.value === store.records.last;

export function said(store: JobStore): string {
  const record = store.record.value;
  if (store.epoch.value < 0 || !record) return "before training";
  return `epoch ${record.epoch}, loss ${number(record.last_loss)}, gradient norm ${number(record.gradient_norm)}`;
}

function Numbers({ store }: { store: JobStore }) {
  const record = store.epoch.value < 0 ? null : store.record.value;
  const model = store.model.value;
  return (
    <dl class="inline-facts">
      <div>
        <dt>loss</dt>
        <dd>{number(record?.loss)}</dd>
      </div>
      <div>
        <dt>last step’s loss</dt>
        <dd>{number(record?.last_loss)}</dd>
      </div>
      <div>
        <dt>‖gradient‖</dt>
        <dd>{number(record?.gradient_norm)}</dd>
      </div>
      {model?.weights.length === 1 && (
        <div>
          <dt>w</dt>
          <dd>{number(model.weights[0])}</dd>
        </div>
      )}
      {model && model.bias !== null && (
        <div>
          <dt>b</dt>
          <dd>{number(model.bias)}</dd>
        </div>
      )}
    </dl>
  );
}

function Player({ store }: { store: JobStore }) {
  const plays = useSignal(false);
  useEffect(() => {
    if (!plays.value || !isVisible.value) return;
    if (isFollowing(store)) store.move(-1);
    const last = store.records.last;
    const period = isStill.value ? 1000 : Math.max(FRAME, (1000 * PLAY_SECONDS) / (last + 2));
    const stride = Math.max(1, Math.ceil(((last + 1) * period) / (1000 * PLAY_SECONDS)));
    const timer = setInterval(() => {
      if (store.epoch.peek() + stride >= store.records.last) plays.value = false;
      store.move(store.epoch.peek() + stride);
    }, period);
    return () => clearInterval(timer);
  }, [plays.value, isVisible.value]);
  return (
    <button type="button" onClick={() => (plays.value = !plays.value)} aria-pressed={plays.value}>
      {plays.value ? "Stop" : "Play"}
    </button>
  );
}
