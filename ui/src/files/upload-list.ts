import type { VNode } from "preact";

import { toBytes } from "../lib/format";
import { html } from "../lib/html";
import { Button } from "../views/kit";
import { base, toShown } from "./names";
import { clearDone, discard, retry, stop, uploads, type Upload } from "./uploads";

const WORDS: Readonly<Record<Upload["state"], string>> = {
  waiting: "waits",
  sending: "",
  stalled: "connection lost, trying again …",
  done: "done",
  failed: "failed",
  stopped: "stopped",
};

export function UploadList(): VNode | null {
  const rows = uploads.value;
  if (rows.length === 0) return null;
  return html`<section class="card transfers" aria-label="Uploads">
    <header><h2>Uploads</h2><span class="fill"></span>${rows.some((row) => row.state === "done") ? html`<${Button} onClick=${clearDone}>Clear<//>` : null}</header>
    ${rows.map((row) => html`<${One} key=${row.key} row=${row} />`)}</section>`;
}

function One({ row }: { row: Upload }): VNode {
  const name = toShown(base(row.path));
  const share = row.size === 0 ? (row.state === "done" ? 1 : 0) : row.sent / row.size;
  const text = row.state === "failed" ? (row.error ?? "failed") : WORDS[row.state];
  const ended = row.state === "failed" || row.state === "stopped";
  return html`<div class=${`transfer ${row.state}`}>
    <span class="what" title=${row.path}>${name}</span>
    <progress max="1" value=${share} aria-label=${`Upload of ${name}`}></progress>
    <span class="number muted">${toBytes(row.sent)} of ${toBytes(row.size)}</span>
    <span class="state">${text === "" ? `${String(Math.floor(share * 100))} %` : text}</span>
    ${ended ? html`<${Button} icon="restart" label=${`Go on with ${name}`} tone="plain" onClick=${() => { retry(row.key); }} />` : null}
    ${row.state === "sending" || row.state === "stalled" || row.state === "waiting"
      ? html`<${Button} icon="pause" label=${`Stop ${name}`} tone="plain" onClick=${() => { stop(row.key); }} />`
      : html`<${Button} icon="close" label=${`Remove ${name} from the list`} tone="plain" onClick=${() => { discard(row.key); }} />`}
  </div>`;
}
