import { useRef } from "preact/hooks";
import type { ComponentChildren, VNode } from "preact";

import { toBytes, toDuration, toMoment } from "../lib/format";
import { html } from "../lib/html";
import { useReading } from "../lib/reading";
import { Graph } from "./graphs";
import { Loading, Meter, Problem } from "./kit";

interface Space {
  readonly total: number;
  readonly free: number;
}

interface NodeAnswer {
  readonly node: string;
  readonly version: string;
  readonly python: string;
  readonly started_at: number;
  readonly engine: { readonly kind: string; readonly available: boolean; readonly version: string | null };
  readonly host: {
    readonly os: string;
    readonly kernel: string;
    readonly architecture: string;
    readonly uptime: number;
    readonly cpus: number;
    readonly load: readonly number[];
    readonly memory: { readonly total: number; readonly available: number; readonly lightd: number };
    readonly disks: Readonly<Record<string, Space | null>>;
  } | null;
  readonly containers: Readonly<Record<string, number>>;
  readonly volumes: number;
  readonly ports: { readonly total: number; readonly in_use: number; readonly free: number };
  readonly event_loop: { readonly passes: number; readonly mean_ms: number; readonly longest_ms: number; readonly blocked: number };
}

const KEPT = 360;

interface Past {
  at: number[];
  load: (number | null)[];
  memory: (number | null)[];
  delay: (number | null)[];
  lightd: (number | null)[];
}

export function OverviewPart(): VNode {
  const past = useRef<Past>({ at: [], load: [], memory: [], delay: [], lightd: [] });
  const { found, problem, again } = useReading<NodeAnswer>("/node", 5000, (now) => {
    const { at, load, memory, delay, lightd } = past.current;
    at.push(Date.now() / 1000);
    load.push(now.host?.load[0] ?? null);
    memory.push(now.host === null ? null : now.host.memory.total - now.host.memory.available);
    lightd.push(now.host?.memory.lightd ?? null);
    delay.push(now.event_loop.mean_ms);
    for (const each of [at, load, memory, delay, lightd]) if (each.length > KEPT) each.shift();
  });
  if (found === null) return problem === null ? html`<${Loading} what="the node" />` : html`<${Problem} text=${problem} retry=${again} />`;
  const { host, event_loop: loop, containers } = found;
  const { at, load, memory, delay, lightd } = past.current;
  const row = (name: string, text: ComponentChildren): VNode => html`<div><dt>${name}</dt><dd>${text}</dd></div>`;
  const space = (name: string, each: Space | null): VNode => row(`Disk of ${name}`, each === null ? "missing" : html`<${Meter} value=${each.total - each.free} most=${each.total} label=${`Disk of ${name}`} /> ${toBytes(each.free)} free of ${toBytes(each.total)}`);
  return html`${problem === null ? null : html`<${Problem} text=${problem} />`}
    <div class="cards">
      <section class="card"><h2>${found.node}</h2><dl class="facts">
        ${row("lightd", `${found.version} on Python ${found.python}`)}${row("Since", toMoment(found.started_at))}
        ${row("Engine", `${found.engine.kind} ${found.engine.version ?? ""} ${found.engine.available ? "" : "(does not answer)"}`)}
        ${row("Servers", `${String(containers["running"] ?? 0)} running of ${String(containers["total"] ?? 0)}`)}
        ${row("Volumes", String(found.volumes))}${row("Ports", `${String(found.ports.free)} free of ${String(found.ports.total)}`)}</dl></section>
      <section class="card"><h2>Host</h2>${host === null ? html`<p class="empty">The host cannot be read.</p>` : html`<dl class="facts">
        ${row("System", `${host.os}, ${host.kernel}, ${host.architecture}`)}${row("Up for", toDuration(host.uptime))}
        ${row("Load", `${host.load.map((each) => each.toFixed(2)).join(" ")} on ${String(host.cpus)} CPUs`)}
        ${row("Memory", html`<${Meter} value=${host.memory.total - host.memory.available} most=${host.memory.total} label="Memory of the host" /> ${toBytes(host.memory.available)} free of ${toBytes(host.memory.total)}`)}
        ${row("lightd uses", toBytes(host.memory.lightd))}
        ${Object.entries(host.disks).map(([name, each]) => space(name, each))}</dl>`}</section>
      <section class="card"><h2>Event loop</h2><dl class="facts">
        ${row("Mean turn", `${loop.mean_ms.toFixed(3)} ms`)}${row("Longest turn", `${loop.longest_ms.toFixed(1)} ms`)}
        ${row("Over 50 ms", `${String(loop.blocked)} of ${loop.passes.toLocaleString("en")}`)}</dl></section>
    </div>
    <h2 class="spaced">While this page is open</h2>
    <div class="graphs spaced">
      <${Graph} title="Load" at=${at} lines=${[{ name: "Load", values: load }]} show=${(each: number) => each.toFixed(2)} least=${1} />
      <${Graph} title="Memory" at=${at} lines=${[{ name: "Host", values: memory }, { name: "lightd", values: lightd }]} show=${toBytes} least=${1024 * 1024} />
      <${Graph} title="Event loop, mean turn" at=${at} lines=${[{ name: "Mean", values: delay }]} show=${(each: number) => `${each.toFixed(2)} ms`} least=${1} />
    </div>`;
}
