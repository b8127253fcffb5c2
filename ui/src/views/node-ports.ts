import { useState } from "preact/hooks";
import type { VNode } from "preact";

import { call, toMessage } from "../lib/api";
import { toCount } from "../lib/format";
import { html } from "../lib/html";
import { path } from "../lib/nav";
import { useReading } from "../lib/reading";
import { toast } from "../lib/toast";
import { Button, confirm, Field, Loading, Problem } from "./kit";
import { portKey, type PoolPort } from "./network";

const SHOWN = 300;
const value = (event: Event): string => (event.target as HTMLInputElement).value;

export function PoolPart(): VNode {
  const { found, problem, again } = useReading<{ ports: PoolPort[] }>("/network/ports");
  const [text, setText] = useState("");
  const [add, setAdd] = useState({ ip: "0.0.0.0", from: "", to: "", protocol: "tcp" });
  const act = async (work: () => Promise<unknown>, done: string): Promise<void> => {
    try {
      await work();
      toast(done);
    } catch (error) {
      toast(toMessage(error), "error");
    }
    again();
  };
  if (found === null) return problem === null ? html`<${Loading} what="the ports" />` : html`<${Problem} text=${problem} retry=${again} />`;
  const shown = found.ports.filter((port) => `${portKey(port)} ${port.used_by ?? ""}`.includes(text.trim()));
  const submit = (event: Event): void => {
    event.preventDefault();
    const body = { ip: add.ip.trim(), from: Number(add.from), to: Number(add.to === "" ? add.from : add.to), protocol: add.protocol };
    void act(() => call("POST", "/network/ports/bulk", { body }), "The ports were added.");
  };
  const remove = async (port: PoolPort): Promise<void> => {
    if (!(await confirm("Remove this port?", `${portKey(port)} can then not be used by servers.`, "Remove"))) return;
    await act(() => call("DELETE", `/network/ports/${port.ip}/${String(port.port)}`, { query: { protocol: port.protocol } }), "The port was removed.");
  };
  const mark = (port: PoolPort): void => {
    const options = { query: { protocol: port.protocol }, body: { in_use: !port.in_use } };
    void act(() => call("PUT", `/network/ports/${port.ip}/${String(port.port)}/use`, options), port.in_use ? "The port is free." : "The port is reserved.");
  };
  return html`<form class="inline" onSubmit=${submit}>
      <${Field} label="Address"><input value=${add.ip} required onInput=${(event: Event) => { setAdd({ ...add, ip: value(event) }); }} /><//>
      <${Field} label="From port"><input class="short" type="number" min="1" max="65535" required value=${add.from} onInput=${(event: Event) => { setAdd({ ...add, from: value(event) }); }} /><//>
      <${Field} label="To port"><input class="short" type="number" min="1" max="65535" value=${add.to} onInput=${(event: Event) => { setAdd({ ...add, to: value(event) }); }} /><//>
      <${Field} label="Protocol"><select value=${add.protocol} onChange=${(event: Event) => { setAdd({ ...add, protocol: value(event) }); }}><option>tcp</option><option>udp</option></select><//>
      <${Button} type="submit" icon="plus" tone="primary">Add<//></form>
    <div class="filters"><input type="search" aria-label="Find a port" placeholder="Find by port or server" value=${text} onInput=${(event: Event) => { setText(value(event)); }} />
      <span class="muted" role="status">${toCount(shown.length, "port")}</span></div>
    ${shown.length === 0 ? html`<p class="empty">No port.</p>` : html`<div class="table-frame" tabindex="0"><table aria-label="Ports of the pool"><thead><tr><th>Port</th><th>Used by</th><th><span class="offscreen">Actions</span></th></tr></thead>
      <tbody>${shown.slice(0, SHOWN).map((port) => html`<tr key=${portKey(port)}><td class="mono">${portKey(port)}</td>
        <td>${port.used_by === null ? (port.in_use ? "reserved" : html`<span class="muted">free</span>`) : html`<a href=${path("c", port.used_by)}>${port.used_by}</a>`}</td>
        <td class="number">${port.used_by === null ? html`<${Button} onClick=${() => { mark(port); }}>${port.in_use ? "Release" : "Reserve"}<//>
          <${Button} icon="trash" tone="plain" label=${`Remove ${portKey(port)}`} onClick=${() => { void remove(port); }} />` : null}</td></tr>`)}</tbody></table></div>`}
    ${shown.length > SHOWN ? html`<p class="muted spaced">The first ${SHOWN} are shown.</p>` : null}`;
}
