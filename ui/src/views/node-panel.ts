import { useState } from "preact/hooks";
import type { VNode } from "preact";

import { ApiError, call, toMessage } from "../lib/api";
import { toMoment } from "../lib/format";
import { html } from "../lib/html";
import { useReading } from "../lib/reading";
import { may } from "../lib/session";
import { Badge, Button, Loading, Problem } from "./kit";

interface PanelStatus {
  readonly enabled: boolean;
  readonly healthy: boolean;
  readonly last_ok: number | null;
  readonly last_error: unknown;
  readonly backlog: number;
  readonly cursor: number;
}

interface Reloaded {
  readonly applied: readonly string[];
  readonly restart_required: readonly string[];
}

export function PanelPart(): VNode {
  return html`<div class="cards">${may("GET /remote/status") ? html`<${PanelCard} />` : null}${may("POST /remote/config/reload") ? html`<${ReloadCard} />` : null}
    ${may("GET /remote/config") ? html`<${ConfigCard} />` : null}</div>`;
}

function PanelCard(): VNode {
  const { found, problem, again } = useReading<PanelStatus>("/remote/status", 5000);
  if (found === null) return html`<section class="card"><h2>Panel</h2>${problem === null ? html`<${Loading} what="the status" />` : html`<${Problem} text=${problem} retry=${again} />`}</section>`;
  const row = (name: string, text: string): VNode => html`<div><dt>${name}</dt><dd>${text}</dd></div>`;
  const error = found.last_error === null ? null : typeof found.last_error === "string" ? found.last_error : JSON.stringify(found.last_error);
  return html`<section class="card"><h2>Panel <${Badge} word=${!found.enabled ? "not configured" : found.healthy ? "running" : "failed"} /></h2>
    ${found.enabled ? html`<dl class="facts">${row("Last answer", found.last_ok === null ? "none yet" : toMoment(found.last_ok))}${row("Waiting updates", String(found.backlog))}
      ${error === null ? null : row("Last error", error)}</dl>` : html`<p class="muted">remote.enabled is false: no panel is told of changes.</p>`}</section>`;
}

function ReloadCard(): VNode {
  const [answer, setAnswer] = useState<Reloaded | null>(null);
  const [problem, setProblem] = useState<readonly string[]>([]);
  const reload = async (): Promise<void> => {
    try {
      setAnswer(await call<Reloaded>("POST", "/remote/config/reload"));
      setProblem([]);
    } catch (error) {
      setAnswer(null);
      setProblem(error instanceof ApiError ? error.message.split("\n") : [toMessage(error)]);
    }
  };
  const list = (names: readonly string[]): string => (names.length === 0 ? "nothing" : names.join(", "));
  return html`<section class="card"><h2>Reload the configuration</h2><p class="muted">Reads the file again. A file with mistakes changes nothing.</p>
    <p class="actions"><${Button} icon="restart" onClick=${() => { void reload(); }}>Reload<//></p>
    <div role="status">${answer === null ? null : html`<p>Applied: ${list(answer.applied)}. Needs a restart: ${list(answer.restart_required)}.</p>`}
      ${problem.map((line) => html`<p class="error" key=${line}>${line}</p>`)}</div></section>`;
}

function ConfigCard(): VNode {
  const { found, problem, again } = useReading<Record<string, unknown>>("/remote/config");
  return html`<section class="card"><h2>Running configuration</h2>${found === null
    ? problem === null ? html`<${Loading} what="the configuration" />` : html`<${Problem} text=${problem} retry=${again} />`
    : html`<pre class="log-text" tabindex="0" aria-label="Running configuration">${JSON.stringify(found, null, 2)}</pre>`}</section>`;
}
