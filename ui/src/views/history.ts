import { useEffect, useState } from "preact/hooks";
import type { VNode } from "preact";

import { call, container as toPath, toMessage } from "../lib/api";
import { toMoment } from "../lib/format";
import { html } from "../lib/html";
import { may } from "../lib/session";
import { toPlain } from "../console/ansi";
import { Button, Loading, Problem } from "./kit";
import type { ServerModel } from "./server-model";

interface Recorded {
  readonly seq: number;
  readonly type: string;
  readonly at: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly operation_id: string | null;
}

interface Audited {
  readonly seq: number;
  readonly at: number;
  readonly token_id: string;
  readonly method: string;
  readonly route: string;
  readonly subject: string | null;
  readonly operation_id: string | null;
  readonly status: number | null;
}

const WORDS: Readonly<Record<string, string>> = {
  created: "Created; the installation began",
  adopted: "Taken over from a lost journal",
  "image-ensured": "The image is there",
  "script-finished": "The install script has ended",
  installed: "Installed",
  "installation-failed": "The installation failed",
  "start-requested": "Start",
  rebuilt: "The container was made again",
  started: "The process runs",
  "pattern-seen": "The start pattern was seen",
  "became-ready": "Running",
  "start-failed": "The start failed",
  "stop-requested": "Stop",
  "stop-timed-out": "The stop took too long; killed",
  "kill-requested": "Kill",
  exited: "The process ended",
  "restart-scheduled": "A restart was scheduled",
  "restarts-given-up": "Crashes in a loop; not started again",
  "restore-scheduled": "Ended with the engine or the host; will be started again",
  "restart-called-off": "The restart was cancelled",
  "found-running": "Found running",
  vanished: "The container was removed from the engine",
  "installation-repeated": "The installation began again",
  "reinstall-requested": "Reinstallation",
  "rebind-requested": "Other ports",
  "reinstall-began": "The reinstallation began",
  replaced: "Replaced by a new container",
  "change-failed": "The change failed",
  "change-abandoned": "The change was abandoned",
  edited: "Settings were changed",
  "limits-applied": "New limits are in effect",
  "limits-refused": "The engine refused the new limits",
  "deletion-requested": "Deletion",
  deleted: "Deleted",
  condensed: "Older events were removed",
};

export function HistoryPart({ model }: { model: ServerModel }): VNode {
  const [events, setEvents] = useState<readonly Recorded[] | null>(null);
  const [callers, setCallers] = useState<ReadonlyMap<string, Audited>>(new Map());
  const [problem, setProblem] = useState<string | null>(null);
  const [shown, setShown] = useState(100);
  const changes = model.changes.value;
  useEffect(() => {
    const abort = new AbortController();
    readAll<Recorded>(`${toPath(model.id)}/events`, "events", abort.signal).then(
      (found) => {
        setEvents(found.reverse());
        setProblem(null);
      },
      (error: unknown) => { if (!abort.signal.aborted) setProblem(toMessage(error)); },
    );
    return () => { abort.abort(); };
  }, [model, changes]);
  useEffect(() => {
    if (!may("GET /audit")) return;
    const abort = new AbortController();
    readAll<Audited>("/audit", "entries", abort.signal).then(
      (found) => { setCallers(new Map(found.flatMap((each) => (each.operation_id === null ? [] : [[each.operation_id, each]])))); },
      () => { /* Without it, the history only lacks who asked. */ },
    );
    return () => { abort.abort(); };
  }, [model, changes]);
  if (events === null) return problem === null ? html`<${Loading} what="the history" />` : html`<${Problem} text=${problem} />`;
  return html`${problem === null ? null : html`<${Problem} text=${problem} />`}
    <ol class="history" aria-label="Events, the newest first">${events.slice(0, shown).map((event) => html`<${Entry} key=${event.seq} event=${event} by=${toCaller(event, callers)} />`)}</ol>
    ${events.length > shown ? html`<p class="actions"><${Button} onClick=${() => { setShown(shown + 200); }}>Show older events<//></p>` : null}`;
}

async function readAll<T>(path: string, name: string, signal: AbortSignal): Promise<T[]> {
  const all: T[] = [];
  let since = 0;
  for (let page = 0; page < 20; page += 1) {
    const answer = await call<Record<string, unknown>>("GET", path, { query: { since, limit: 1000 }, signal });
    const rows = answer[name] as T[];
    all.push(...rows);
    if (rows.length === 0 || typeof answer["next"] !== "number" || answer["next"] === since) break;
    since = answer["next"];
  }
  return all;
}

function toCaller(event: Recorded, callers: ReadonlyMap<string, Audited>): string | null {
  const call = event.operation_id === null ? undefined : callers.get(event.operation_id);
  if (call === undefined) return null;
  return call.token_id === "master" ? "master token" : `token ${call.token_id.slice(0, 8)}`;
}

const FAILED = /failed|given-up|timed-out|refused|vanished|abandoned/;

function Entry({ event, by }: { event: Recorded; by: string | null }): VNode {
  const { data } = event;
  const tail = Array.isArray(data["tail"]) ? (data["tail"] as unknown[]).map((line) => toPlain(String(line))) : [];
  const crashed = event.type === "exited" && data["expected"] === false;
  return html`<li class=${crashed || FAILED.test(event.type) ? "bad" : ""}>
    <time class="muted">${toMoment(event.at)}</time>
    <div><span>${WORDS[event.type] ?? event.type}</span> <span class="muted">${toDetail(event)}${by === null ? "" : ` · ${by}`}</span>
      ${tail.length === 0 || !crashed ? null : html`<details><summary>The last lines</summary><pre tabindex="0">${tail.join("\n")}</pre></details>`}</div>
  </li>`;
}

function toDetail({ type, data }: Recorded): string {
  const text = (name: string): string | null => {
    const value = data[name];
    return typeof value === "string" || typeof value === "number" ? String(value) : null;
  };
  if (type === "exited") {
    const code = text("code");
    const parts = [code === null ? "exit code unknown" : `exit code ${code}`];
    if (data["oom_killed"] === true) parts.push("out of memory");
    if (data["expected"] === false) parts.push("not requested");
    return parts.join(", ");
  }
  if (type === "restart-scheduled") return `in ${text("delay") ?? "?"} s`;
  if (type === "edited") return Object.keys(data).filter((name) => data[name] !== null).join(", ");
  if (type === "rebind-requested" && Array.isArray(data["ports"])) {
    return (data["ports"] as { ip: string; port: number }[]).map((port) => `${port.ip}:${String(port.port)}`).join(", ");
  }
  return text("reason") ?? text("image") ?? "";
}
