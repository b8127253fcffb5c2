import { useEffect, useState } from "preact/hooks";
import type { VNode } from "preact";

import { call, toMessage } from "../lib/api";
import { html } from "../lib/html";
import { Field, Loading, Problem } from "./kit";

export interface Egg {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly description: string | null;
}

interface Variable {
  readonly env_variable: string;
  readonly name: string;
  readonly description?: string | null;
  readonly default_value?: string | null;
  readonly rules?: readonly string[];
}

interface Contents {
  readonly docker_images?: Readonly<Record<string, string>>;
  readonly variables?: readonly Variable[];
}

export async function readEggs(): Promise<readonly Egg[]> {
  return (await call<{ eggs: Egg[] }>("GET", "/eggs")).eggs;
}

interface EggProps {
  readonly egg: Egg;
  readonly values: Readonly<Record<string, string>>;
  readonly onValues: (values: Readonly<Record<string, string>>) => void;
  readonly image: string;
  readonly onImage: (image: string) => void;
}

/** The choices that an egg leaves: one of its images, and the values of its variables. */
export function EggFields({ egg, values, onValues, image, onImage }: EggProps): VNode {
  const [found, setFound] = useState<Contents | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    setFound(null);
    call<{ egg: Contents }>("GET", `/eggs/${encodeURIComponent(egg.id)}`).then(
      (answer) => { setFound(answer.egg); },
      (error: unknown) => { setProblem(toMessage(error)); },
    );
  }, [egg.id]);
  if (found === null) return problem === null ? html`<div class="wide"><${Loading} what="the egg" /></div>` : html`<div class="wide"><${Problem} text=${problem} /></div>`;
  const images = Object.entries(found.docker_images ?? {});
  const text = (event: Event): string => (event.target as HTMLInputElement).value;
  return html`${egg.description === null || egg.description === "" ? null : html`<p class="wide muted">${egg.description}</p>`}
    ${images.length > 1 ? html`<${Field} label="Image"><select value=${image} onChange=${(event: Event) => { onImage(text(event)); }}>
      ${images.map(([name, each], index) => html`<option key=${each} value=${index === 0 ? "" : each}>${name}</option>`)}</select><//>` : null}
    ${(found.variables ?? []).map((variable) => html`<${Field} key=${variable.env_variable} label=${variable.name} help=${variable.description ?? variable.rules?.join(", ")}>
      <input name=${variable.env_variable} value=${values[variable.env_variable] ?? variable.default_value ?? ""} spellcheck=${false} autocomplete="off"
        onInput=${(event: Event) => { onValues({ ...values, [variable.env_variable]: text(event) }); }} /><//>`)}`;
}
