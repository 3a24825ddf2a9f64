import { now } from "../clock.ts";
import { age } from "../format.ts";

/** How long ago something was. When it was is told to whoever points at it: a browser's first date takes it long. */
export function Ago({ at }: { at: string }) {
  return (
    <time
      dateTime={at}
      onPointerEnter={(event) => {
        event.currentTarget.title = new Date(at).toLocaleString();
      }}
    >
      {age(at, now.value)}
    </time>
  );
}
