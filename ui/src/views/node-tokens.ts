import { useEffect, useState } from "preact/hooks";
import type { VNode } from "preact";

import { call, toMessage } from "../lib/api";
import { toMoment } from "../lib/format";
import { html } from "../lib/html";
import { BASE } from "../lib/base";
import { toPath } from "../lib/route";
import { useReading } from "../lib/reading";
import { toast } from "../lib/toast";
import type { Row } from "../lib/types";
import { Button, confirm, copy, Dialog, Field, Loading, Problem } from "./kit";

interface Token {
  readonly id: string;
  readonly created_at: number;
  readonly expires_at: string;
  readonly remove_on_use: boolean;
  readonly spent: boolean;
  readonly containers: readonly string[] | null;
  readonly permissions: readonly string[] | null;
  readonly sockets: number;
}

interface Minted {
  readonly token: string;
  readonly expires_at: string;
  readonly containers: readonly string[] | null;
}

const PERMISSIONS = ["console.read", "console.write", "power", "stats", "files.read", "files.write", "network", "startup", "admin"] as const;
const TIMES = [["1h", "one hour"], ["12h", "12 hours"], ["1d", "one day"], ["7d", "7 days"], ["30d", "30 days"]] as const;
const value = (event: Event): string => (event.target as HTMLInputElement).value;

export function TokensPart(): VNode {
  const { found, problem, again } = useReading<{ tokens: Token[] }>("/auth/tokens");
  const [making, setMaking] = useState(false);
  const [minted, setMinted] = useState<Minted | null>(null);
  if (found === null) return problem === null ? html`<${Loading} what="the tokens" />` : html`<${Problem} text=${problem} retry=${again} />`;
  const revoke = async (token: Token): Promise<void> => {
    if (!(await confirm("Revoke this token?", "Its open consoles are closed.", "Revoke"))) return;
    try {
      await call("DELETE", `/auth/tokens/${token.id}`);
    } catch (error) {
      toast(toMessage(error), "error");
    }
    again();
  };
  const list = (values: readonly string[] | null): string => (values === null ? "all" : values.length === 0 ? "none" : values.join(", "));
  return html`<p class="actions"><${Button} icon="plus" tone="primary" onClick=${() => { setMaking(true); }}>New token …<//></p>
    ${found.tokens.length === 0 ? html`<p class="empty">No token was made. The master token is not in this list.</p>` : html`<div class="table-frame" tabindex="0"><table aria-label="Tokens">
      <thead><tr><th>Token</th><th>Servers</th><th>Permissions</th><th>Expires</th><th><span class="offscreen">Actions</span></th></tr></thead>
      <tbody>${found.tokens.map((token) => html`<tr key=${token.id}><td class="mono" title=${`made ${toMoment(token.created_at)}`}>${token.id.slice(0, 8)}${token.spent ? " (used)" : ""}</td>
        <td>${list(token.containers)}</td><td>${list(token.permissions)}</td><td>${toMoment(Date.parse(token.expires_at) / 1000)}</td>
        <td class="number"><${Button} icon="trash" tone="plain" label=${`Revoke ${token.id.slice(0, 8)}`} onClick=${() => { void revoke(token); }} /></td></tr>`)}</tbody></table></div>`}
    ${making ? html`<${NewToken} onClose=${() => { setMaking(false); }} onMinted=${(token: Minted) => {
      setMaking(false);
      setMinted(token);
      again();
    }} />` : null}
    ${minted === null ? null : html`<${Shown} minted=${minted} onClose=${() => { setMinted(null); }} />`}`;
}

function NewToken({ onClose, onMinted }: { onClose: () => void; onMinted: (minted: Minted) => void }): VNode {
  const [rows, setRows] = useState<readonly Row[]>([]);
  const [server, setServer] = useState("");
  const [ttl, setTtl] = useState("1d");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set(["console.read", "console.write", "power", "stats"]));
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => { call<{ containers: Row[] }>("GET", "/containers").then(({ containers }) => { setRows(containers); }, () => undefined); }, []);
  const flip = (name: string): void => {
    const next = new Set(chosen);
    if (!next.delete(name)) next.add(name);
    setChosen(next);
  };
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const containers = server === "" ? null : [server];
    const body = { ttl, permissions: PERMISSIONS.filter((name) => chosen.has(name)), ...(containers === null ? {} : { containers }) };
    try {
      onMinted({ ...(await call<Minted>("POST", "/auth/tokens", { body })), containers });
    } catch (error) {
      setProblem(toMessage(error));
    }
  };
  return html`<${Dialog} title="New token" onClose=${onClose}><form onSubmit=${(event: Event) => { void submit(event); }}>
    ${problem === null ? null : html`<${Problem} text=${problem} />`}
    <${Field} label="For"><select value=${server} onChange=${(event: Event) => { setServer(value(event)); }}><option value="">all servers</option>
      ${rows.map((row) => html`<option key=${row.internal_id} value=${row.internal_id}>${row.display_name ?? row.internal_id}</option>`)}</select><//>
    <fieldset class="bits wrap"><legend>It may</legend>${PERMISSIONS.map((name) => html`<label key=${name}><input type="checkbox" checked=${chosen.has(name)} onChange=${() => { flip(name); }} /> ${name}</label>`)}</fieldset>
    <${Field} label="Valid for"><select value=${ttl} onChange=${(event: Event) => { setTtl(value(event)); }}>${TIMES.map(([key, name]) => html`<option key=${key} value=${key}>${name}</option>`)}</select><//>
    <footer><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" tone="primary">Create<//></footer></form><//>`;
}

/** A new token, which is only shown here: as a link to its console, as a QR code for a phone, and as text. */
function Shown({ minted, onClose }: { minted: Minted; onClose: () => void }): VNode {
  const only = minted.containers?.length === 1 ? minted.containers[0] : undefined;
  const page = only === undefined ? toPath(BASE) : toPath(BASE, "c", only);
  const link = `${location.origin}${page}#t=${encodeURIComponent(minted.token)}`;
  const take = async (text: string): Promise<void> => { toast((await copy(text)) ? "Copied." : "The browser did not allow to copy."); };
  return html`<${Dialog} title="The new token" onClose=${onClose}><div class="body">
    <p>It is only shown here. Who has the link, or the picture, has the token.</p>
    <div class="qr-frame"><${Qr} text=${link} /></div>
    <${Field} label="Link"><input readonly value=${link} onFocus=${(event: Event) => { (event.target as HTMLInputElement).select(); }} /><//>
    <${Field} label="Token"><input readonly class="mono" value=${minted.token} onFocus=${(event: Event) => { (event.target as HTMLInputElement).select(); }} /><//>
    <footer><${Button} icon="copy" onClick=${() => { void take(minted.token); }}>Copy the token<//><${Button} icon="link" tone="primary" onClick=${() => { void take(link); }}>Copy the link<//></footer>
  </div><//>`;
}

function Qr({ text }: { text: string }): VNode | null {
  const [drawn, setDrawn] = useState<{ readonly size: number; readonly path: string } | null>(null);
  useEffect(() => {
    void import("qrcode-generator").then(({ default: generate }) => {
      const code = generate(0, "M");
      code.addData(text);
      code.make();
      const size = code.getModuleCount();
      let path = "";
      for (let y = 0; y < size; y += 1) for (let x = 0; x < size; x += 1) if (code.isDark(y, x)) path += `M${String(x)} ${String(y)}h1v1h-1z`;
      setDrawn({ size, path });
    });
  }, [text]);
  if (drawn === null) return null;
  const side = drawn.size + 8;
  return html`<svg class="qr" viewBox=${`-4 -4 ${String(side)} ${String(side)}`} role="img" aria-label="The link as a QR code"><rect x="-4" y="-4" width=${side} height=${side} fill="#fff" /><path d=${drawn.path} fill="#000" /></svg>`;
}
