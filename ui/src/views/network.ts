import { useEffect, useState } from "preact/hooks";
import type { VNode } from "preact";

import { call, container as toPath, toMessage } from "../lib/api";
import { html } from "../lib/html";
import { may } from "../lib/session";
import { toast } from "../lib/toast";
import type { Accepted, Port } from "../lib/types";
import { Button, confirm, copy, Problem } from "./kit";
import type { ServerModel } from "./server-model";

export interface PoolPort {
  readonly ip: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  readonly in_use: boolean;
  readonly used_by: string | null;
}

export const portKey = (port: { ip: string; port: number; protocol: string }): string => `${port.ip}:${String(port.port)}/${port.protocol}`;

export function NetworkPart({ model }: { model: ServerModel }): VNode {
  const row = model.container.value;
  const [ports, setPorts] = useState<readonly Port[]>(row?.ports ?? []);
  const [edited, setEdited] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const changes = may("POST /containers/:id/rebind-network");
  useEffect(() => { if (!edited) setPorts(row?.ports ?? []); }, [row?.ports]);
  const set = (next: readonly Port[]): void => {
    setPorts(next);
    setEdited(true);
  };
  const addFree = async (protocol: "tcp" | "udp"): Promise<void> => {
    try {
      const free = await call<PoolPort>("GET", "/network/ports/random", { query: { protocol } });
      if (ports.some((each) => portKey(each) === portKey(free))) toast("Ask again: the daemon named a port that is already in the list.");
      else set([...ports, { ip: free.ip, port: free.port, protocol: free.protocol, container_port: free.port }]);
    } catch (error) {
      toast(toMessage(error), "error");
    }
  };
  const apply = async (): Promise<void> => {
    const running = row !== null && row.state !== "offline";
    if (running && !(await confirm("Change the ports?", "The server is stopped, and started again with its new ports.", "Change"))) return;
    setProblem(null);
    const body = { ports: ports.map(({ ip, port, protocol, container_port }) => ({ ip, port, protocol, container_port })) };
    if (await model.run("rebind", () => call<Accepted>("POST", `${toPath(model.id)}/rebind-network`, { body }))) setEdited(false);
    else setProblem(model.operation.value?.error ?? null);
  };
  return html`<div class="narrow">
    ${problem === null ? null : html`<${Problem} text=${problem} />`}
    ${ports.length === 0 ? html`<p class="empty">No port.</p>` : html`<div class="table-frame" tabindex="0"><table aria-label="Ports of this server">
      <thead><tr><th>Address</th><th>Protocol</th><th>In the container</th><th><span class="offscreen">Actions</span></th></tr></thead>
      <tbody>${ports.map((port, index) => html`<tr key=${portKey(port)}>
        <td class="mono">${port.ip}:${port.port}</td><td>${port.protocol}</td>
        <td>${changes ? html`<input class="short" type="number" min="1" max="65535" aria-label=${`Port in the container of ${portKey(port)}`} value=${port.container_port}
          onChange=${(event: Event) => { set(ports.map((each, at) => (at === index ? { ...each, container_port: Number((event.target as HTMLInputElement).value) } : each))); }} />` : port.container_port}</td>
        <td class="number"><${Button} icon="copy" label=${`Copy ${port.ip}:${String(port.port)}`} tone="plain" onClick=${() => { void copy(`${port.ip}:${String(port.port)}`); }} />
          ${changes ? html`<${Button} icon="trash" label=${`Remove ${portKey(port)}`} tone="plain" onClick=${() => { set(ports.filter((_, at) => at !== index)); }} />` : null}</td>
      </tr>`)}</tbody></table></div>`}
    ${changes ? html`<p class="actions spaced">
      <${Button} icon="plus" onClick=${() => { void addFree("tcp"); }}>Free TCP port<//><${Button} icon="plus" onClick=${() => { void addFree("udp"); }}>Free UDP port<//>
      <span class="fill"></span>
      <${Button} off=${!edited} onClick=${() => { setPorts(row?.ports ?? []); setEdited(false); }}>Discard<//>
      <${Button} tone="primary" off=${!edited} onClick=${() => { void apply(); }}>Change the ports<//></p>` : null}
  </div>`;
}
