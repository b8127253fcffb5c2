import type { VNode } from "preact";

import { call } from "../lib/api";
import { html } from "../lib/html";
import { Field } from "./kit";

export interface EggVariable {
  readonly env_variable: string;
  readonly name: string;
  readonly description?: string;
  readonly default_value?: string;
  readonly rules?: string | readonly string[];
}

export interface Egg {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly variables?: readonly EggVariable[];
  readonly images?: readonly string[] | Readonly<Record<string, string>>;
}

export async function readEggs(): Promise<readonly Egg[]> {
  const { eggs } = await call<{ eggs: Egg[] }>("GET", "/eggs");
  return eggs;
}

interface EggProps {
  readonly egg: Egg;
  readonly values: Readonly<Record<string, string>>;
  readonly onValues: (values: Readonly<Record<string, string>>) => void;
  readonly image: string;
  readonly onImage: (image: string) => void;
}

export function EggFields({ egg, values, onValues, image, onImage }: EggProps): VNode {
  const images = Array.isArray(egg.images) ? (egg.images as readonly string[]) : Object.values(egg.images ?? {});
  const text = (event: Event): string => (event.target as HTMLInputElement).value;
  return html`${egg.description === undefined || egg.description === "" ? null : html`<p class="wide muted">${egg.description}</p>`}
    ${images.length > 1 ? html`<${Field} label="Image"><select value=${image} onChange=${(event: Event) => { onImage(text(event)); }}>
      <option value="">${images[0]}</option>${images.slice(1).map((each) => html`<option key=${each}>${each}</option>`)}</select><//>` : null}
    ${(egg.variables ?? []).map((variable) => html`<${Field} key=${variable.env_variable} label=${variable.name} help=${variable.description}>
      <input value=${values[variable.env_variable] ?? variable.default_value ?? ""} spellcheck=${false} autocomplete="off"
        onInput=${(event: Event) => { onValues({ ...values, [variable.env_variable]: text(event) }); }} /><//>`)}`;
}
