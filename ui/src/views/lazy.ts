import { useEffect, useState } from "preact/hooks";
import type { ComponentType, VNode } from "preact";

import { html } from "../lib/html";
import { Loading, Problem } from "./kit";

export interface LazyProps {
  // Each component has its own properties, which its caller knows.
  readonly load: () => Promise<ComponentType<never>>;
  readonly what: string;
  readonly props?: Readonly<Record<string, unknown>>;
}

/** A part of the application that is loaded when it is first shown. */
export function Lazy({ load, what, props = {} }: LazyProps): VNode {
  const [Part, setPart] = useState<ComponentType<never> | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let wanted = true;
    load().then(
      (found) => { if (wanted) setPart(() => found); },
      () => { if (wanted) setFailed(true); },
    );
    return () => { wanted = false; };
  }, []);
  if (failed) return html`<${Problem} text="This part could not be loaded. The daemon may have been updated: load the page again." retry=${() => { location.reload(); }} />`;
  return Part === null ? html`<${Loading} what=${what} />` : html`<${Part} ...${props} />`;
}
