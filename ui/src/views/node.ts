import type { VNode } from "preact";

import { html } from "../lib/html";
import { path } from "../lib/nav";
import type { NodeTab } from "../lib/route";
import { may } from "../lib/session";
import { AuditPart } from "./node-audit";
import { ChecksPart } from "./node-checks";
import { OverviewPart } from "./node-overview";
import { PanelPart } from "./node-panel";
import { PoolPart } from "./node-ports";
import { TokensPart } from "./node-tokens";

const TABS: readonly { readonly name: NodeTab; readonly title: string; readonly shown: () => boolean }[] = [
  { name: "overview", title: "Overview", shown: () => may("GET /node") },
  { name: "checks", title: "Checks", shown: () => may("GET /node/doctor") },
  { name: "ports", title: "Ports", shown: () => may("POST /network/ports") },
  { name: "tokens", title: "Tokens", shown: () => may("GET /auth/tokens") },
  { name: "audit", title: "Audit", shown: () => may("GET /audit") },
  { name: "panel", title: "Configuration", shown: () => may("GET /remote/status") || may("GET /remote/config") },
];

export function NodePage({ tab }: { tab: NodeTab }): VNode {
  const tabs = TABS.filter((each) => each.shown());
  const shown = tabs.some((each) => each.name === tab) ? tab : (tabs[0]?.name ?? "overview");
  return html`<h1>Node</h1><nav class="tabs" aria-label="Parts of the node">${tabs.map((each) => html`<a key=${each.name}
      href=${each.name === "overview" ? path("node") : path("node", each.name)} aria-current=${each.name === shown ? "page" : undefined}>${each.title}</a>`)}</nav>
    <div class="part">${shown === "ports" ? html`<${PoolPart} />` : shown === "tokens" ? html`<${TokensPart} />`
      : shown === "audit" ? html`<${AuditPart} />` : shown === "panel" ? html`<${PanelPart} />` : shown === "checks" ? html`<${ChecksPart} />` : html`<${OverviewPart} />`}</div>`;
}
