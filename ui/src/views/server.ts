import { useEffect, useMemo, useState } from "preact/hooks";
import type { VNode } from "preact";

import { toBytes, toDuration, toPercent } from "../lib/format";
import { html } from "../lib/html";
import { go, path } from "../lib/nav";
import type { ServerTab } from "../lib/route";
import { may } from "../lib/session";
import type { Status } from "../lib/live";
import type { Container } from "../lib/types";
import { Console } from "./console";
import { Badge, Button, confirm, Loading, Problem, toWord } from "./kit";
import { Lazy } from "./lazy";
import { ServerModel, type Action, type Running } from "./server-model";

interface Tab {
  readonly name: ServerTab;
  readonly title: string;
  readonly shown: (row: Container | null) => boolean;
}

const TABS: readonly Tab[] = [
  { name: "console", title: "Console", shown: () => may("GET /containers/:id/logs") || may("POST /containers/:id/command") },
  { name: "files", title: "Files", shown: () => may("GET /volumes/:id/files") },
  { name: "graphs", title: "Graphs", shown: () => may("GET /containers/:id/stats") },
  { name: "history", title: "History", shown: () => true },
  { name: "network", title: "Ports", shown: () => may("GET /network/ports") },
  { name: "settings", title: "Settings", shown: (row) => may("PATCH /containers/:id") || (row?.egg != null && may("GET /containers/:id/variables")) },
];

export function ServerPage({ id, tab }: { id: string; tab: ServerTab }): VNode {
  const model = useMemo(() => new ServerModel(id), [id]);
  useEffect(() => () => { model.close(); }, [model]);
  const row = model.container.value;
  const tabs = TABS.filter((each) => each.shown(row));
  const wanted = tabs.some((each) => each.name === tab) ? tab : (tabs[0]?.name ?? "history");
  useEffect(() => {
    if (row !== null && wanted !== tab) go(path("c", id, wanted), true);
  }, [wanted, tab, row === null]);
  if (model.gone.value) {
    return html`<div class="center"><h1>${id}</h1><p>There is no such server, or it was deleted.</p><p><a href=${path()}>All servers</a></p></div>`;
  }
  if (row === null) {
    return model.problem.value === null
      ? html`<${Loading} what=${id} />`
      : html`<${Problem} text=${model.problem.value} retry=${() => { void model.read(); }} />`;
  }
  return html`<div class="server-head">
      <div class="title"><h1 title=${id}>${row.display_name ?? id}</h1><${Badge} word=${toWord(row)} />
        <${Connection} status=${model.live.status.value} /></div>
      <${Power} model=${model} />
      <${Numbers} model=${model} />
      <${OperationLine} running=${model.operation.value} error=${row.error} />
    </div>
    <nav class="tabs" aria-label="Parts of this server">
      ${tabs.map((each) => html`<a key=${each.name} href=${each.name === "console" ? path("c", id) : path("c", id, each.name)}
        aria-current=${each.name === wanted ? "page" : undefined}>${each.title}</a>`)}
    </nav>
    <${Console} model=${model} hidden=${wanted !== "console"} />
    ${wanted === "console" ? null : html`<div class="part" role="region" aria-label=${tabs.find((each) => each.name === wanted)?.title} tabindex="0"><${Part} key=${wanted} tab=${wanted} model=${model} /></div>`}`;
}

function Part({ tab, model }: { tab: ServerTab; model: ServerModel }): VNode {
  const props = { model };
  if (tab === "files") return html`<${Lazy} what="the files" props=${props} load=${() => import("../files/page").then((module) => module.FilesPart)} />`;
  if (tab === "graphs") return html`<${Lazy} what="the graphs" props=${props} load=${() => import("./graphs").then((module) => module.GraphsPart)} />`;
  if (tab === "network") return html`<${Lazy} what="the ports" props=${props} load=${() => import("./network").then((module) => module.NetworkPart)} />`;
  if (tab === "settings") return html`<${Lazy} what="the settings" props=${props} load=${() => import("./settings").then((module) => module.SettingsPart)} />`;
  return html`<${Lazy} what="the history" props=${props} load=${() => import("./history").then((module) => module.HistoryPart)} />`;
}

function Connection({ status }: { status: Status }): VNode {
  const text = status === "open" ? "" : status === "connecting" ? "connecting …" : status === "waiting" ? "connection lost, trying again …" : "";
  return html`<span class="connection" role="status">${text}</span>`;
}

const ACTIONS: readonly { readonly action: Action; readonly title: string; readonly icon: "play" | "restart" | "stop" | "kill" }[] = [
  { action: "start", title: "Start", icon: "play" },
  { action: "restart", title: "Restart", icon: "restart" },
  { action: "stop", title: "Stop", icon: "stop" },
  { action: "kill", title: "Kill", icon: "kill" },
];

function Power({ model }: { model: ServerModel }): VNode | null {
  const row = model.container.value;
  if (row === null || !may("POST /containers/:id/start")) return null;
  const ready = row.install_state === "ready" && !row.quarantined;
  const off: Record<Action, boolean> = {
    start: !ready || row.state === "running" || row.state === "starting",
    restart: !ready || row.state === "offline",
    stop: row.install_state === "ready" && row.state === "offline" && row.exit?.crashed !== true,
    kill: row.install_state === "ready" && row.state === "offline",
  };
  const act = async (action: Action): Promise<void> => {
    if (action === "kill" && !(await confirm("Kill this server?", "The process ends at once: what it has not saved is lost.", "Kill"))) return;
    await model.act(action);
  };
  return html`<div class="power" role="group" aria-label="Power">
    ${ACTIONS.map(({ action, title, icon }) => html`<${Button} key=${action} icon=${icon} off=${off[action]}
      tone=${action === "start" ? "primary" : action === "kill" ? "danger" : undefined} onClick=${() => { void act(action); }}>${title}<//>`)}
  </div>`;
}

const DOING: Readonly<Record<string, string>> = {
  start: "Starting",
  stop: "Stopping",
  restart: "Restarting",
  kill: "Killing",
  reinstall: "Reinstalling",
  rebind: "Changing the ports",
  delete: "Deleting",
  install: "Installing",
};

function OperationLine({ running, error }: { running: Running | null; error: string | null }): VNode {
  const [now, setNow] = useState(Date.now());
  const pending = running?.status === "pending";
  useEffect(() => {
    if (!pending) return;
    const timer = setInterval(() => { setNow(Date.now()); }, 1000);
    return () => { clearInterval(timer); };
  }, [pending]);
  let text = error ?? "";
  let tone = error === null ? "" : "failed";
  if (running !== null) {
    const what = DOING[running.kind] ?? running.kind;
    tone = running.status;
    if (running.status === "pending") {
      const seconds = Math.max(0, (now - running.since) / 1000);
      text = seconds < 1 ? `${what} …` : `${what} … ${toDuration(seconds)}`;
    } else if (running.status === "succeeded") text = `${what}: done`;
    else text = `${what}: ${running.error ?? running.status}`;
  }
  return html`<p class=${`operation ${tone}`} role="status" title=${text}>${text}</p>`;
}

function Numbers({ model }: { model: ServerModel }): VNode | null {
  if (!may("GET /containers/:id/stats")) return null;
  const usage = model.usage.value;
  const number = (value: number | null | undefined, show: (value: number) => string): string =>
    value === null || value === undefined ? "–" : show(value);
  return html`<dl class="numbers">
    <div><dt>CPU</dt><dd>${number(usage?.cpu_usage, toPercent)}</dd></div>
    <div><dt>Memory</dt><dd title=${usage?.memory_limit == null ? undefined : `of ${toBytes(usage.memory_limit)}`}>${number(usage?.memory_usage, toBytes)}</dd></div>
    <div><dt>Uptime</dt><dd>${number(usage?.uptime, toDuration)}</dd></div>
  </dl>`;
}
