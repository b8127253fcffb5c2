import htm from "htm";
import { h, type VNode } from "preact";

/** Templates of elements: `` html`<p>${text}</p>` ``. */
export const html = htm.bind(h) as (strings: TemplateStringsArray, ...values: unknown[]) => VNode;
