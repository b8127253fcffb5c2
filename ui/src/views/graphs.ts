import { useEffect, useRef, useState } from "preact/hooks";
import type { VNode } from "preact";
import uPlot from "uplot";

import { call, container as toPath, toMessage } from "../lib/api";
import { toBytes, toClock, toPercent } from "../lib/format";
import { html } from "../lib/html";
import { toSeries } from "../lib/series";
import { theme } from "../lib/theme";
import type { Statistics } from "../lib/types";
import { Loading, Problem } from "./kit";
import type { ServerModel } from "./server-model";

export function GraphsPart({ model }: { model: ServerModel }): VNode {
  const [found, setFound] = useState<Statistics | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wanted = true;
    const read = async (): Promise<void> => {
      try {
        const read = await call<Statistics>("GET", `${toPath(model.id)}/stats`);
        if (!wanted) return;
        setFound(read);
        setProblem(null);
      } catch (error) {
        if (wanted) setProblem(toMessage(error));
      }
      if (wanted) timer = setTimeout(() => { void read(); }, document.hidden ? 30_000 : 5_000);
    };
    void read();
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [model]);
  if (found === null) return problem === null ? html`<${Loading} what="the statistics" />` : html`<${Problem} text=${problem} />`;
  const series = toSeries(found.points, found.step);
  const { limits } = found;
  const rate = (value: number): string => `${toBytes(value)}/s`;
  return html`${problem === null ? null : html`<${Problem} text=${problem} />`}
    ${found.points.length === 0 ? html`<p class="empty">There is no sample of the last hour: the server did not run, or has just been started.</p>` : null}
    <div class="graphs">
      <${Graph} title="CPU" note=${limits.cpu == null ? "100 % is one core" : `limit ${toPercent(limits.cpu * 100)}`} at=${series.at} lines=${[{ name: "CPU", values: series.cpu }]} show=${toPercent} least=${10} />
      <${Graph} title="Memory" note=${limits.memory == null ? "no limit" : `limit ${toBytes(limits.memory)}`} at=${series.at} lines=${[{ name: "Memory", values: series.memory }]} show=${toBytes} least=${1024 * 1024} />
      <${Graph} title="Network" at=${series.at} lines=${[{ name: "Received", values: series.received }, { name: "Sent", values: series.sent }]} show=${rate} least=${1024} />
      <${Graph} title="Disk" note=${toDiskNote(found)} at=${series.at} lines=${[{ name: "Read", values: series.read }, { name: "Written", values: series.written }]} show=${rate} least=${1024} />
    </div>`;
}

function toDiskNote({ volume }: Statistics): string {
  if (volume?.used == null) return "";
  return volume.size === null ? `${toBytes(volume.used)} used` : `${toBytes(volume.used)} of ${toBytes(volume.size)} used`;
}

export interface GraphProps {
  readonly title: string;
  readonly note?: string;
  readonly at: readonly number[];
  readonly lines: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
  readonly show: (value: number) => string;
  /** The upper end of the scale if all values are lower. */
  readonly least: number;
}

const HEIGHT = 180;
const COLOURS = ["--series-1", "--series-2"] as const;

export function Graph({ title, note = "", at, lines, show, least }: GraphProps): VNode {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = [[...at], ...lines.map((line) => [...line.values])] as uPlot.AlignedData;
  const dark = theme.value;
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const axis: uPlot.Axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, points: { size: 6 } },
        scales: { y: { range: (_, __, most) => [0, Math.max(least, most * 1.1)] } },
        axes: [
          { ...axis, size: 30, values: (_, ticks) => ticks.map((tick) => toClock(tick).slice(0, 5)) },
          { ...axis, size: 76, values: (_, ticks) => ticks.map(show) },
        ],
        series: [
          {},
          ...lines.map((line, index) => ({
            label: line.name,
            stroke: colour(COLOURS[index] ?? COLOURS[0]),
            fill: index === 0 ? `${colour(COLOURS[0])}22` : "transparent",
            width: 1.5,
            points: { show: false },
          })),
        ],
        hooks: { setCursor: [(shown) => { setPicked(shown.cursor.idx ?? null); }] },
      },
      data,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => { made.setSize({ width: element.clientWidth, height: HEIGHT }); });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [dark]);
  useEffect(() => { plot.current?.setData(data); }, [at[0], at[at.length - 1], at.length]);
  const [picked, setPicked] = useState<number | null>(null);
  const index = picked ?? at.length - 1;
  const moment = at[index];
  const values = lines.map((line) => {
    const value = line.values[index];
    return { name: line.name, text: value === null || value === undefined ? "–" : show(value) };
  });
  return html`<section class="graph card">
    <header><h2>${title}</h2><span class="muted">${note}</span><span class="fill"></span>
      ${values.map(({ name, text }, each) => html`<span key=${name} class=${`key k${String(each + 1)}`}>${lines.length > 1 ? `${name} ` : ""}<b>${text}</b></span>`)}
      <span class="muted when">${picked === null || moment === undefined ? "now" : toClock(moment)}</span></header>
    <div ref=${host} class="plot" role="img" aria-label=${`${title} of the last hour; now ${values.map((each) => `${each.name} ${each.text}`).join(", ")}`}></div>
  </section>`;
}
