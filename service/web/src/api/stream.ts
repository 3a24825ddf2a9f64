// The event stream of a job tells that something came. Of all windows of a browser one has a stream, the last that was
// looked at: HTTP/1.1 has six connections for all of them together, and a stream occupies one.

import { root } from "../address.ts";
import { spend } from "./pace.ts";

const KINDS = ["status", "warning", "progress"];
const AGAIN_SECONDS = 3;

export class JobStream {
  /** Whether it has told something since it began: a proxy may hold back all that it tells. */
  isHeard = false;
  private source: EventSource | null = null;
  private windows: BroadcastChannel | null = null;
  private isTaken = false;
  private endedAt = Number.NEGATIVE_INFINITY;
  private readonly to: string;
  private readonly onNews: () => void;

  constructor(id: string, onNews: () => void) {
    this.to = `${root}/v1/jobs/${id}/events?${KINDS.map((kind) => `types=${kind}`).join("&")}`;
    this.onNews = onNews;
  }

  /** Listen, unless another window does, or the stream has just ended. */
  open(): void {
    if (this.source || this.isTaken || performance.now() - this.endedAt < 1000 * AGAIN_SECONDS) return;
    this.meetWindows().postMessage("I listen");
    spend();
    const source = new EventSource(this.to);
    for (const kind of KINDS) {
      source.addEventListener(kind, () => {
        this.isHeard = true;
        this.onNews();
      });
    }
    source.addEventListener("error", () => this.failed(source));
    this.source = source;
  }

  close(): void {
    removeEventListener("focus", this.take);
    this.windows?.close();
    this.windows = null;
    this.isTaken = false;
    this.end();
  }

  private meetWindows(): BroadcastChannel {
    if (this.windows) return this.windows;
    addEventListener("focus", this.take);
    this.windows = new BroadcastChannel(`slope${root}`);
    this.windows.onmessage = () => {
      this.isTaken = true;
      this.end();
    };
    return this.windows;
  }

  private readonly take = (): void => {
    this.isTaken = false;
    this.open();
  };

  /** A stream whose connection breaks comes back by itself. One that is refused does not. */
  private failed(source: EventSource): void {
    this.isHeard = false;
    if (source.readyState !== EventSource.CLOSED || source !== this.source) return;
    this.endedAt = performance.now();
    this.end();
  }

  private end(): void {
    this.source?.close();
    this.source = null;
    this.isHeard = false;
  }
}
