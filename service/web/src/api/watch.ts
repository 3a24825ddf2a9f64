// What is on the page stays fresh while the page is visible: a hidden tab asks nothing.

import { type Signal, useSignal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { isVisible } from "../visible.ts";
import { get, Problem } from "./client.ts";

export interface Answer<T> {
  /** The newest that is known; undefined before the first answer. */
  value: Signal<T | undefined>;
  problem: Signal<Problem | null>;
  /** When the service last answered, in milliseconds. */
  at: Signal<number>;
  again: () => Promise<void>;
}

/** Until a service that is away is asked again. */
const AWAY_SECONDS = 3;

/** The answer of an address, asked for again every so many seconds while `seconds` of it is not null. */
export function useAnswer<T>(
  to: string | null,
  seconds: (value: T | undefined) => number | null = () => null,
): Answer<T> {
  const value = useSignal<T | undefined>(undefined);
  const problem = useSignal<Problem | null>(null);
  const at = useSignal(0);
  const visible = isVisible.value;
  const latest = useSignal<string | null>(null);
  latest.value = to;

  async function again(): Promise<void> {
    if (to === null) return;
    try {
      const found = await get<T>(to);
      if (latest.peek() !== to) return;
      value.value = found;
      problem.value = null;
      at.value = Date.now();
    } catch (error) {
      if (latest.peek() === to && error instanceof Problem) problem.value = error;
    }
  }

  useLayoutEffect(() => {
    let timer = 0;
    let stopped = false;
    async function round(): Promise<void> {
      await again();
      const wait = problem.peek()?.isPassing ? AWAY_SECONDS : seconds(value.peek());
      if (!stopped && wait !== null) timer = window.setTimeout(round, 1000 * wait);
    }
    if (visible) round();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [to, visible]);

  return { value, problem, at, again };
}
