import { useEffect, useState } from "preact/hooks";
import type { VNode } from "preact";

import { call, toMessage } from "../lib/api";
import { toCount, toMoment } from "../lib/format";
import { html } from "../lib/html";
import { Button, Loading, Problem } from "./kit";

interface Audited {
  readonly seq: number;
  readonly at: number;
  readonly token_id: string;
  readonly address: string | null;
  readonly method: string;
  readonly route: string;
  readonly subject: string | null;
  readonly status: number | null;
  readonly code: string | null;
}

const SHOWN = 200;
const MOST_PAGES = 100;

export function AuditPart(): VNode {
  const [entries, setEntries] = useState<readonly Audited[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [text, setText] = useState("");
  const [failed, setFailed] = useState(false);
  const [shown, setShown] = useState(SHOWN);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const read = async (): Promise<void> => {
      const all: Audited[] = [];
      let since = 0;
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const { entries: some, next } = await call<{ entries: Audited[]; next: number }>("GET", "/audit", { query: { since, limit: 1000 }, signal: abort.signal });
        all.push(...some);
        setEntries([...all].reverse());
        if (some.length < 1000) break;
        since = next;
      }
    };
    read().then(() => { setProblem(null); }, (error: unknown) => { if (!abort.signal.aborted) setProblem(toMessage(error)); });
    return () => { abort.abort(); };
  }, [turn]);
  if (entries === null) return problem === null ? html`<${Loading} what="the audit" />` : html`<${Problem} text=${problem} />`;
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const found = entries.filter((entry) => {
    if (failed && entry.status !== null && entry.status < 400) return false;
    if (words.length === 0) return true;
    const where = `${entry.method} ${entry.route} ${entry.subject ?? ""} ${entry.token_id} ${entry.address ?? ""} ${String(entry.status)} ${entry.code ?? ""}`.toLowerCase();
    return words.every((word) => where.includes(word));
  });
  return html`${problem === null ? null : html`<${Problem} text=${problem} />`}
    <div class="filters"><input type="search" aria-label="Find in the audit" placeholder="Find by server, token, route, address or code" value=${text}
        onInput=${(event: Event) => { setText((event.target as HTMLInputElement).value); }} />
      <label class="check"><input type="checkbox" checked=${failed} onChange=${() => { setFailed(!failed); }} /> Only failed</label>
      <${Button} icon="restart" label="Read again" tone="plain" onClick=${() => { setTurn(turn + 1); }} /><span class="muted" role="status">${toCount(found.length, "call")}</span></div>
    ${found.length === 0 ? html`<p class="empty">No call fits.</p>` : html`<div class="table-frame" tabindex="0"><table aria-label="Calls that can change something, the newest first">
      <thead><tr><th>Time</th><th>Token</th><th>Call</th><th>Result</th><th class="wide-only">Address</th></tr></thead>
      <tbody>${found.slice(0, shown).map((entry) => html`<tr key=${entry.seq}><td class="nowrap">${toMoment(entry.at)}</td><td class="mono">${entry.token_id.slice(0, 8)}</td>
        <td class="mono break">${entry.method} ${entry.route}</td><td class=${entry.status !== null && entry.status < 400 ? "" : "error"}>${entry.status ?? "none"} ${entry.code ?? ""}</td><td class="mono wide-only">${entry.address ?? ""}</td></tr>`)}</tbody></table></div>`}
    ${found.length > shown ? html`<p class="actions spaced"><${Button} onClick=${() => { setShown(shown + SHOWN); }}>Show older calls<//></p>` : null}`;
}
