/** The frame around the pages: who is signed in, where to go, what went wrong. */

import { useEffect, useState } from "preact/hooks";
import type { VNode } from "preact";
import { signal } from "@preact/signals";

import { ApiError, call, toMessage } from "../lib/api";
import { html } from "../lib/html";
import { path, route } from "../lib/nav";
import { may, self, signOut, token, type Self } from "../lib/session";
import { theme, toggleTheme } from "../lib/theme";
import { Button, Loading, Questions, Toasts } from "./kit";
import { Lazy } from "./lazy";
import { ServerPage } from "./server";
import { ServersPage } from "./servers";
import { SignIn } from "./signin";

const online = signal(navigator.onLine);
addEventListener("online", () => { online.value = true; });
addEventListener("offline", () => { online.value = false; });

export function App(): VNode {
  const [problem, setProblem] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  const held = token.value;
  useEffect(() => {
    setProblem(null);
    if (held === null) return;
    const abort = new AbortController();
    call<Self>("GET", "/auth/self", { signal: abort.signal }).then(
      (found) => { self.value = found; },
      (error: unknown) => { if (!abort.signal.aborted && !(error instanceof ApiError && error.status === 401)) setProblem(toMessage(error)); },
    );
    return () => { abort.abort(); };
  }, [held, turn]);
  const again = (): void => { setTurn(turn + 1); };
  if (held === null || problem !== null) return html`<${SignIn} problem=${problem} retry=${again} />`;
  if (self.value === null) return html`<main class="page"><${Loading} what="the node" /></main>`;
  return html`<${Frame} />`;
}

function Frame(): VNode {
  const shown = route.value;
  const me = self.value;
  const only = me?.containers?.length === 1 ? me.containers[0] : undefined;
  useEffect(() => {
    document.title = shown.page === "server" ? `${shown.id} · lightd` : "lightd";
  }, [shown]);
  const current = (page: string): string | undefined => (shown.page === page ? "page" : undefined);
  return html`<a class="skip" href="#main">Skip to the content</a>
    <header class="top">
      <a class="brand" href=${path()} aria-label="lightd: all servers">lightd</a>
      <nav aria-label="Pages">
        <a href=${only === undefined ? path() : path("c", only)} aria-current=${current("servers")}>${only === undefined ? "Servers" : "Server"}</a>
        ${may("GET /node") ? html`<a href=${path("node")} aria-current=${current("node")}>Node</a>` : null}
      </nav>
      <span class="fill"></span>
      ${online.value ? null : html`<span class="badge crashed" role="status">no network</span>`}
      <${Button} icon=${theme.value === "dark" ? "sun" : "moon"} tone="plain" onClick=${toggleTheme}
        label=${theme.value === "dark" ? "Use light colours" : "Use dark colours"} />
      <${Button} icon="exit" label="Sign out" tone="plain" onClick=${() => { signOut(null); }} />
    </header>
    <main id="main" class=${`page ${shown.page}`} tabindex="-1"><${Page} /></main>
    <${Questions} /><${Toasts} />`;
}

function Page(): VNode {
  const shown = route.value;
  if (shown.page === "server") return html`<${ServerPage} key=${shown.id} id=${shown.id} tab=${shown.tab} />`;
  if (shown.page === "servers") return html`<${ServersPage} />`;
  if (shown.page === "create") return html`<${Lazy} key="create" load=${() => import("./create").then((module) => module.CreatePage)} what="the form" />`;
  if (shown.page === "node") {
    return html`<${Lazy} key="node" load=${() => import("./node").then((module) => module.NodePage)} what="the node" props=${{ tab: shown.tab }} />`;
  }
  return html`<h1>There is no such page</h1><p><a href=${path()}>All servers</a></p>`;
}
