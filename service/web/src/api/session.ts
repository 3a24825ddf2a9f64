// Who is signed in, where the service asks for keys. The key is in a cookie that no script can read.

import { computed, signal } from "@preact/signals";
import { go, path, query, SIGN_IN } from "../address.ts";
import { get, Problem, post, remove } from "./client.ts";
import type { Session } from "./types.ts";

export const session = signal<Session | null>(null);

/** Whether whoever looks may change something. Until it is known who that is, everybody may try. */
export const mayChange = computed(() => session.value?.scope !== "read");

/** Whether things of several owners are seen, so that it says something whose each is. */
export const seesAll = computed(() => session.value?.scope === "admin" && session.value.key_id !== null);

/** Find out who is signed in. Where nobody is and somebody should be, the client leads to the page to sign in. */
export async function findSession(): Promise<void> {
  try {
    session.value = await get<Session>("/v1/session");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

/** Throws the Problem of a key that lets nobody in. */
export async function signIn(key: string): Promise<void> {
  session.value = await post<Session>("/v1/session", { key });
  go(wanted(query.peek().get("to")));
}

export async function signOut(): Promise<void> {
  await remove("/v1/session");
  session.value = null;
  if (path.peek() !== SIGN_IN) go(SIGN_IN);
}

/** The page that somebody wanted before: one of ours, whatever the address says. */
const wanted = (to: string | null): string => (to !== null && /^\/(?!\/)/.test(to) ? to : "/");
