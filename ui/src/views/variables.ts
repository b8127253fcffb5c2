import { useEffect, useState } from "preact/hooks";
import type { VNode } from "preact";

import { call, container as toPath, toMessage } from "../lib/api";
import { html } from "../lib/html";
import { may } from "../lib/session";
import { toast } from "../lib/toast";
import { Button, Field, Loading, Problem } from "./kit";
import type { ServerModel } from "./server-model";

interface Variable {
  readonly name: string;
  readonly env: string;
  readonly description: string;
  readonly value: string;
  readonly rules: readonly string[];
  readonly user_editable: boolean;
  readonly problem: string | null;
}

interface Answer {
  readonly egg: { readonly id: string; readonly version: string };
  readonly variables: readonly Variable[];
}

/** The variables of a server that was created from an egg; those that the token may not change can only be read. */
export function Variables({ model }: { model: ServerModel }): VNode | null {
  const [found, setFound] = useState<Answer | null>(null);
  const [draft, setDraft] = useState<Readonly<Record<string, string>>>({});
  const [problem, setProblem] = useState<string | null>(null);
  const shown = model.container.value?.egg != null && may("GET /containers/:id/variables");
  const path = `${toPath(model.id)}/variables`;
  const read = async (): Promise<void> => {
    try {
      setFound(await call<Answer>("GET", path));
      setDraft({});
      setProblem(null);
    } catch (error) {
      setProblem(toMessage(error));
    }
  };
  useEffect(() => { if (shown) void read(); }, [model, shown]);
  if (!shown) return null;
  if (found === null) return problem === null ? html`<${Loading} what="the variables" />` : html`<${Problem} text=${problem} />`;
  const changed = Object.fromEntries(found.variables.filter(({ env, value }) => draft[env] !== undefined && draft[env] !== value).map(({ env }) => [env, draft[env]]));
  const dirty = Object.keys(changed).length > 0;
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      const { at_next_start: later } = await call<{ at_next_start: string[] }>("PATCH", path, { body: changed });
      toast(`Saved. At the next start: ${later.join(", ")}.`);
      await read();
    } catch (error) {
      setProblem(toMessage(error));
    }
  };
  const locked = (variable: Variable): boolean => !may("PATCH /containers/:id") && !variable.user_editable;
  return html`<form class="form" onSubmit=${(event: Event) => { void save(event); }}>
    <h2>Variables of ${found.egg.id}</h2>
    ${problem === null ? null : html`<div class="wide"><${Problem} text=${problem} /></div>`}
    ${found.variables.map((variable) => html`<${Field} key=${variable.env} label=${variable.name} help=${variable.description || variable.rules.join(", ")} error=${variable.problem}>
      <input name=${variable.env} value=${draft[variable.env] ?? variable.value} readonly=${locked(variable)} spellcheck=${false} autocomplete="off"
        onInput=${(event: Event) => { setDraft({ ...draft, [variable.env]: (event.target as HTMLInputElement).value }); }} /><//>`)}
    <footer><${Button} type="submit" tone="primary" off=${!dirty}>Save the variables<//><${Button} off=${!dirty} onClick=${() => { setDraft({}); }}>Discard<//></footer>
  </form>`;
}
