import { useEffect, useState } from "preact/hooks";
import type { VNode } from "preact";

import { call, toMessage } from "../lib/api";
import { html } from "../lib/html";
import { toast } from "../lib/toast";
import { Button, copy, Dialog, Loading, Problem } from "../views/kit";

export interface Sftp {
  readonly enabled: boolean;
  readonly listening: readonly string[];
  readonly username: string;
  readonly port: number;
  readonly host_keys: readonly { readonly type: string; readonly fingerprint: string }[];
}

/** The address for a client: the host is the one of this page, as a proxy may have changed that of the request. */
export function toAddress(sftp: Sftp, hostname: string): string {
  const host = hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
  return `sftp://${sftp.username}@${host}:${String(sftp.port)}/`;
}

export function SftpDialog({ id, onClose }: { id: string; onClose: () => void }): VNode {
  const [sftp, setSftp] = useState<Sftp | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    call<Sftp>("GET", `/containers/${id}/sftp`, { signal: abort.signal }).then(
      setSftp,
      (error: unknown) => { if (!abort.signal.aborted) setProblem(toMessage(error)); },
    );
    return () => { abort.abort(); };
  }, [id]);
  return html`<${Dialog} title="Connect over SFTP" onClose=${onClose}>
    ${problem !== null ? html`<${Problem} text=${problem} />`
      : sftp === null ? html`<${Loading} what="the address" />`
      : sftp.listening.length === 0 ? html`<p>${sftp.enabled ? "SFTP is not served at the moment." : "This node does not serve SFTP."}</p>`
      : html`<${Address} sftp=${sftp} />`}
    <footer><${Button} onClick=${onClose}>Close<//></footer>
  <//>`;
}

function Address({ sftp }: { sftp: Sftp }): VNode {
  const address = toAddress(sftp, location.hostname);
  const take = async (): Promise<void> => { toast((await copy(address)) ? "Copied." : "The browser did not allow to copy."); };
  return html`<p><code>${address}</code> <${Button} icon="copy" label="Copy the address" tone="plain" onClick=${() => { void take(); }} /></p>
    <p>The password is a token that may read the files, such as the one that you signed in with.</p>
    <p>At the first connection a client shows one of these fingerprints:</p>
    <ul>${sftp.host_keys.map((key) => html`<li key=${key.type}><code>${key.fingerprint}</code> ${key.type}</li>`)}</ul>`;
}
