import type { VNode } from "preact";

import type { ServerModel } from "./server-model";

export function Variables(_: { model: ServerModel }): VNode | null {
  return null;
}
