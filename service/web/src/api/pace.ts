// How often the page asks by itself. What a click or a key needs is asked for immediately, and counts.

const A_SECOND = 3.5;
/** Requests that may come together, and for how long, when a page is opened: it asks for several things. */
const [TOGETHER, OPENING_SECONDS] = [12, 1.5];
/** Whoever moves the cursor fast does not keep the page from following the run. */
const MOST_OWED = 4;

let left = TOGETHER;
let [at, openedAt] = [performance.now(), performance.now()];

/** Another page is shown. */
export function startAnew(): void {
  openedAt = performance.now();
  left = TOGETHER;
}

/** Count a request. In milliseconds, how long it should wait where it is one that nobody waits for. */
export function spend(): number {
  const now = performance.now();
  const most = now - openedAt < 1000 * OPENING_SECONDS ? TOGETHER : 1;
  left = Math.min(most, left + (A_SECOND * (now - at)) / 1000) - 1;
  left = Math.max(left, -MOST_OWED);
  at = now;
  return left >= 0 ? 0 : (-left / A_SECOND) * 1000;
}
