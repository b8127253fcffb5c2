import { batch, computed, signal, type Signal } from "@preact/signals";
import { memo } from "preact/compat";
import { useEffect, useMemo } from "preact/hooks";
import type { VNode } from "preact";

import { call, container as toPath, toMessage } from "../lib/api";
import { matches, toLabels, type Filter } from "../lib/filter";
import { toBytes, toCount, toPercent } from "../lib/format";
import { html } from "../lib/html";
import { Live, type Frame } from "../lib/live";
import { path } from "../lib/nav";
import { may } from "../lib/session";
import { toast } from "../lib/toast";
import type { Row } from "../lib/types";
import { Badge, Button, confirm, Icon, Loading, Problem, toWord } from "./kit";
import type { Action } from "./server-model";

const STATES: Readonly<Record<string, Partial<Row>>> = {
  installing: { install_state: "installing" },
  failed: { install_state: "failed" },
  ready: { install_state: "ready", state: "offline" },
  starting: { state: "starting" },
  running: { state: "running" },
  stopping: { state: "stopping" },
  exit: { state: "offline", cpu_usage: null, memory_usage: null },
};

const filter = signal<Filter>({ text: "", states: [], labels: [] });
const chosen = signal<ReadonlySet<string>>(new Set());

const POLL = 5000;

/** The servers that the token sees, as the daemon tells of them. */
class List {
  readonly rows = signal<ReadonlyMap<string, Signal<Row>> | null>(null);
  readonly problem = signal<string | null>(null);
  readonly live: Live;
  private seq = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private poll: ReturnType<typeof setInterval> | undefined;

  constructor() {
    this.live = new Live("/ws", {
      query: () => (this.seq > 0 ? { since: this.seq } : {}),
      frame: (frame) => { this.take(frame); },
      opened: () => { void this.read(); },
    });
    void this.read();
    // The stream tells of states, not of what the servers use.
    this.poll = setInterval(() => { if (!document.hidden) void this.read(); }, POLL);
  }

  close(): void {
    clearTimeout(this.timer);
    clearInterval(this.poll);
    this.live.close();
  }

  async read(): Promise<void> {
    try {
      const { containers } = await call<{ containers: Row[] }>("GET", "/containers");
      batch(() => {
        this.problem.value = null;
        const before = this.rows.value;
        const same = before !== null && before.size === containers.length && containers.every((row) => before.has(row.internal_id));
        if (same) for (const row of containers) this.set(row.internal_id, row);
        else this.rows.value = new Map(containers.map((row) => [row.internal_id, signal(row)]));
      });
    } catch (error) {
      this.problem.value = toMessage(error);
    }
  }

  private set(id: string, change: Partial<Row>): void {
    const row = this.rows.value?.get(id);
    if (row === undefined) return;
    const keys = Object.keys(change) as (keyof Row)[];
    if (keys.some((key) => JSON.stringify(row.value[key]) !== JSON.stringify(change[key]))) row.value = { ...row.value, ...change };
  }

  private take(frame: Frame): void {
    const id = frame["internal_id"];
    if (frame.event === "event") {
      if (typeof frame["seq"] === "number") this.seq = Math.max(this.seq, frame["seq"]);
      if (typeof id !== "string") return;
      const change = STATES[String(frame["data"])];
      if (change !== undefined) this.set(id, change);
      this.readSoon();
    } else if (frame.event === "stats" && typeof id === "string") {
      const { cpu_usage, memory_usage } = frame as unknown as Row;
      this.set(id, { cpu_usage: cpu_usage ?? null, memory_usage: memory_usage ?? null });
    }
  }

  /** What an event does not say (an exit code, a new server) is read a moment later, once for many events. */
  private readSoon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.read();
    }, 500);
  }
}

export function ServersPage(): VNode {
  const list = useMemo(() => new List(), []);
  useEffect(() => () => { list.close(); }, [list]);
  const visible = useMemo(
    () => computed(() => [...(list.rows.value?.values() ?? [])].filter((row) => matches(row.value, toWord(row.value), filter.value))),
    [list],
  );
  const rows = list.rows.value;
  if (rows === null) {
    return list.problem.value === null
      ? html`<${Loading} what="the servers" />`
      : html`<${Problem} text=${list.problem.value} retry=${() => { void list.read(); }} />`;
  }
  const shown = visible.value;
  return html`<div class="head"><h1>Servers</h1><span class="muted" role="status">${shown.length === rows.size ? String(rows.size) : `${String(shown.length)} of ${String(rows.size)}`}
      ${list.live.status.value === "waiting" ? " · connection lost, trying again …" : ""}</span><span class="fill"></span>
      ${may("POST /containers") ? html`<a class="button primary" href=${path("new")}><${Icon} name="plus" /><span>New server</span></a>` : null}</div>
    <${Filters} rows=${rows} />
    ${may("POST /containers/:id/start") ? html`<${Bulk} shown=${shown} />` : null}
    ${rows.size === 0
      ? html`<p class="empty">No server yet.</p>`
      : html`<div class="table-frame" tabindex="0"><table class="servers" aria-label="Servers">
          <thead><tr>${may("POST /containers/:id/start") ? html`<th class="pick"><span class="offscreen">Select</span></th>` : null}
            <th>Name</th><th>State</th>
            <th class="number">CPU</th><th class="number">Memory</th><th class="wide">Ports</th><th class="wide">Runs</th></tr></thead>
          <tbody>${shown.map((row) => html`<${ServerRow} key=${row.peek().internal_id} row=${row} />`)}</tbody>
        </table></div>
        ${shown.length === 0 ? html`<p class="empty">No server fits the filter.</p>` : null}`}`;
}

const ServerRow = memo(function ServerRow({ row }: { row: Signal<Row> }): VNode {
  const { internal_id: id, display_name: name, ...rest } = row.value;
  const picked = chosen.value.has(id);
  const pick = (): void => {
    const next = new Set(chosen.value);
    if (picked) next.delete(id);
    else next.add(id);
    chosen.value = next;
  };
  const ports = rest.ports.map((port) => `${port.ip === "0.0.0.0" ? "" : port.ip}:${String(port.port)}`);
  return html`<tr class=${picked ? "picked" : ""}>
    ${may("POST /containers/:id/start") ? html`<td class="pick"><input type="checkbox" aria-label=${`Select ${id}`} checked=${picked} onChange=${pick} /></td>` : null}
    <td class="name"><a href=${path("c", id)}>${name ?? id}</a>${name === null ? null : html`<span class="muted id">${id}</span>`}
      ${Object.entries(rest.labels).slice(0, 3).map(([key, value]) => html`<span class="tag" key=${key}>${key}${value === "" ? "" : `=${value}`}</span>`)}</td>
    <td><${Badge} word=${toWord(row.value)} /></td>
    <td class="number">${rest.cpu_usage == null ? "" : toPercent(rest.cpu_usage)}</td>
    <td class="number">${rest.memory_usage == null ? "" : toBytes(rest.memory_usage)}</td>
    <td class="wide">${ports.slice(0, 2).join(", ")}${ports.length > 2 ? ` +${String(ports.length - 2)}` : ""}</td>
    <td class="wide image" title=${rest.image}>${rest.egg == null ? rest.image : `${rest.egg.id} ${rest.egg.version.slice(0, 8)}`}</td>
  </tr>`;
});

const WORDS = ["running", "starting", "stopping", "offline", "crashed", "installing", "install failed"];

function Filters({ rows }: { rows: ReadonlyMap<string, Signal<Row>> }): VNode {
  const labels = toLabels([...rows.values()].map((row) => row.peek().labels));
  const set = (change: Partial<Filter>): void => { filter.value = { ...filter.value, ...change }; };
  const state = filter.value.states[0] ?? "";
  const label = filter.value.labels[0] ?? "";
  const value = (event: Event): string => (event.target as HTMLInputElement | HTMLSelectElement).value;
  return html`<form class="filters" role="search" onSubmit=${(event: Event) => { event.preventDefault(); }}>
    <input type="search" aria-label="Find a server" placeholder="Find by name, id, image or port" value=${filter.value.text}
      onInput=${(event: Event) => { set({ text: value(event) }); }} />
    <select aria-label="State" value=${state} onChange=${(event: Event) => { set({ states: value(event) === "" ? [] : [value(event)] }); }}>
      <option value="">Any state</option>${WORDS.map((word) => html`<option key=${word} value=${word}>${word}</option>`)}</select>
    <select aria-label="Label" value=${label} onChange=${(event: Event) => { set({ labels: value(event) === "" ? [] : [value(event)] }); }}>
      <option value="">Any label</option>${labels.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select>
  </form>`;
}

const BULK: readonly (readonly [Action, string])[] = [["start", "Start"], ["restart", "Restart"], ["stop", "Stop"], ["kill", "Kill"]];
const AT_ONCE = 4;

function Bulk({ shown }: { shown: readonly Signal<Row>[] }): VNode {
  const ids = shown.map((row) => row.peek().internal_id);
  const picked = ids.filter((id) => chosen.value.has(id));
  const all = picked.length > 0 && picked.length === ids.length;
  const act = async (action: Action, title: string): Promise<void> => {
    if (action !== "start" && !(await confirm(`${title} ${toCount(picked.length, "server")}?`, picked.slice(0, 10).join(", ") + (picked.length > 10 ? " …" : ""), title))) return;
    const waiting = [...picked];
    const failed: string[] = [];
    const work = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        try {
          await call("POST", `${toPath(id)}/${action}`);
        } catch (error) {
          failed.push(`${id}: ${toMessage(error)}`);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const done = picked.length - failed.length;
    if (done > 0) toast(`${title}: accepted for ${toCount(done, "server")}.`);
    if (failed.length > 0) toast(`${title} failed for ${toCount(failed.length, "server")}. ${failed.slice(0, 3).join("; ")}`, "error");
  };
  return html`<div class="bulk" role="group" aria-label="Actions on the selected servers">
    <label><input type="checkbox" checked=${all} indeterminate=${picked.length > 0 && !all}
      onChange=${() => { chosen.value = new Set(all ? [] : ids); }} /> <span>${picked.length === 0 ? "Select all" : `${String(picked.length)} selected`}</span></label>
    ${BULK.map(([action, title]) => html`<${Button} key=${action} off=${picked.length === 0} tone=${action === "kill" ? "danger" : undefined}
      onClick=${() => { void act(action, title); }}>${title}<//>`)}
  </div>`;
}

