/** What graphs show, from the samples of the daemon: counters become rates, and missing samples become gaps. */

import type { Sample } from "./types";

export interface Series {
  /** Unix seconds; the others have one value for each, null where there is no sample. */
  readonly at: number[];
  readonly cpu: (number | null)[];
  readonly memory: (number | null)[];
  readonly received: (number | null)[];
  readonly sent: (number | null)[];
  readonly read: (number | null)[];
  readonly written: (number | null)[];
}

/** Return the series of samples that are `step` seconds apart, the oldest first. */
export function toSeries(points: readonly Sample[], step: number): Series {
  const series: Series = { at: [], cpu: [], memory: [], received: [], sent: [], read: [], written: [] };
  let before: Sample | null = null;
  for (const point of points) {
    if (before !== null && point.at - before.at > 1.5 * step) {
      push(series, before.at + step, null, null);
      before = null;
    }
    push(series, point.at, point, before);
    before = point;
  }
  return series;
}

function push(series: Series, at: number, point: Sample | null, before: Sample | null): void {
  series.at.push(at);
  series.cpu.push(point?.cpu_usage ?? null);
  series.memory.push(point?.memory_usage ?? null);
  series.received.push(toRate(point, before, "network_rx"));
  series.sent.push(toRate(point, before, "network_tx"));
  series.read.push(toRate(point, before, "block_read"));
  series.written.push(toRate(point, before, "block_write"));
}

type Counter = "network_rx" | "network_tx" | "block_read" | "block_write";

/** Return the bytes per second since the sample before; null without one, and where the counter began anew. */
function toRate(point: Sample | null, before: Sample | null, name: Counter): number | null {
  if (point === null || before === null || point.uptime < before.uptime) return null;
  const difference = point[name] - before[name];
  return difference < 0 || point.at <= before.at ? null : difference / (point.at - before.at);
}
