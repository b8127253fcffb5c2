import { useState } from "preact/hooks";
import type { VNode } from "preact";

import { toCount } from "../lib/format";
import { html } from "../lib/html";
import { useReading } from "../lib/reading";
import { Badge, Button, Loading, Problem } from "./kit";

type Verdict = "ok" | "warning" | "bad" | "unseen";

interface Finding {
  readonly area: string;
  readonly name: string;
  readonly verdict: Verdict;
  readonly text: string;
  readonly mend: string;
}

interface Report {
  readonly counts: Readonly<Record<Verdict, number>>;
  readonly findings: readonly Finding[];
}

const WORDS: Readonly<Record<Verdict, string>> = { bad: "failed", warning: "warning", unseen: "not checked", ok: "ok" };
const ORDER = Object.keys(WORDS) as Verdict[];

/** What `lightd doctor` finds on this node: problems first, each with its fix. */
export function ChecksPart(): VNode {
  const [all, setAll] = useState(false);
  const [asked, setAsked] = useState(0);
  const [shownFor, setShownFor] = useState(-1);
  const { found, problem, again } = useReading<Report>("/node/doctor", 0, () => { setShownFor(asked); });
  if (found === null) return problem === null ? html`<${Loading} what="the checks, which take a few seconds," />` : html`<${Problem} text=${problem} retry=${again} />`;
  const busy = shownFor !== asked && problem === null;
  const shown = ORDER.flatMap((verdict) => found.findings.filter((each) => each.verdict === verdict && (all || verdict !== "ok")));
  return html`${problem === null ? null : html`<${Problem} text=${problem} />`}
    <div class="filters"><label class="check"><input type="checkbox" checked=${all} onChange=${() => { setAll(!all); }} /> Also what is fine</label>
      <${Button} icon="restart" off=${busy} onClick=${() => { setAsked(asked + 1); again(); }}>Check again<//>
      <span class="muted" role="status">${busy ? "Checking …" : `${toCount(found.counts.bad, "problem")}, ${toCount(found.counts.warning, "warning")}, ${String(found.counts.ok)} fine`}</span></div>
    ${shown.length === 0 ? html`<p class="empty">Every check is fine.</p>` : html`<div class="table-frame"><table aria-label="Checks of the node, problems first">
      <thead><tr><th>Result</th><th>Area</th><th>Found</th></tr></thead>
      <tbody>${shown.map((each) => html`<tr key=${`${each.area} ${each.name} ${each.text}`}><td class="nowrap"><${Badge} word=${WORDS[each.verdict]} /></td><td>${each.area}</td>
        <td class="break">${each.text}${each.mend === "" ? null : html`<br /><span class="muted">To fix: ${each.mend}</span>`}</td></tr>`)}</tbody></table></div>`}`;
}
