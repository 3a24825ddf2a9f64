import type { ComponentChildren } from "preact";
import { mayChange } from "../api/session.ts";

/** What changes something. Whose key only looks does not see it: the service would refuse. */
export function Changing({ children }: { children: ComponentChildren }) {
  return mayChange.value ? children : null;
}
