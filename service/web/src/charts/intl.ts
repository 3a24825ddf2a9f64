// The Intl of all code that is bundled. uPlot makes two things of it when it is loaded, and uses none of them here. The
// real one takes longer to begin than a chart takes to be drawn: the build puts this in its place.

import { number } from "../format.ts";

class NumberFormat {
  format(value: number): string {
    return number(value);
  }
}

class DateTimeFormat {
  resolvedOptions(): { timeZone: string } {
    return { timeZone: "UTC" };
  }
}

export const PlainIntl = { NumberFormat, DateTimeFormat };
