import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

/** What is drawn when all the rest has been: it is further down, or matters less. */
export function Afterwards({ children }: { children: ComponentChildren }): ComponentChildren {
  const [isTime, setTime] = useState(false);
  useEffect(() => setTime(true), []);
  return isTime ? children : null;
}
