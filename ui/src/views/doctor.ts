import type { VNode } from "preact";

export function Doctor(): VNode | null {
  return null;
}
