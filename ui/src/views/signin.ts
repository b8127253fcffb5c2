import { useState } from "preact/hooks";
import type { VNode } from "preact";

import { html } from "../lib/html";
import { ended, signIn, token } from "../lib/session";
import { Button, Field, Problem } from "./kit";

export function SignIn({ problem, retry }: { problem: string | null; retry: () => void }): VNode {
  const [value, setValue] = useState("");
  const submit = (event: Event): void => {
    event.preventDefault();
    const given = value.trim();
    if (given !== "") signIn(given);
  };
  return html`<main class="signin">
    <form class="card" onSubmit=${submit}>
      <h1>lightd</h1>
      ${ended.value === null ? null : html`<${Problem} text=${ended.value} />`}
      ${problem === null ? null : html`<${Problem} text=${problem} retry=${token.value === null ? undefined : retry} />`}
      <${Field} label="Token" help="The node's master token, or one that was made for you. It is kept for this tab only.">
        <input type="password" name="token" autocomplete="current-password" spellcheck=${false} required autofocus
          value=${value} onInput=${(event: InputEvent) => { setValue((event.target as HTMLInputElement).value); }} placeholder="lightd_…" />
      <//>
      <${Button} type="submit" tone="primary">Sign in<//>
    </form>
  </main>`;
}
