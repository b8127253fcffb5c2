/** The addresses of the pages, below any path that a proxy adds in front. */

export const SERVER_TABS = ["console", "files", "graphs", "history", "network", "settings"] as const;
export type ServerTab = (typeof SERVER_TABS)[number];

export const NODE_TABS = ["overview", "checks", "ports", "tokens", "audit", "panel"] as const;
export type NodeTab = (typeof NODE_TABS)[number];

export type Route =
  | { readonly page: "servers" }
  | { readonly page: "create" }
  | { readonly page: "node"; readonly tab: NodeTab }
  | { readonly page: "server"; readonly id: string; readonly tab: ServerTab; readonly query: URLSearchParams }
  | { readonly page: "unknown" };

/** Return the path in front of `/ui/`, from the address of a script that is served below it. */
export function toBase(script: string): string {
  const path = new URL(script).pathname;
  const at = path.lastIndexOf("/ui/");
  return at < 0 ? "" : path.slice(0, at);
}

/** Return the page at a path. */
export function toRoute(path: string, search: string, base: string): Route {
  const inside = path.startsWith(base) ? path.slice(base.length) : path;
  const parts = inside.replace(/\/+$/, "").split("/").slice(1);
  const [ui, page, first, second] = parts;
  if (parts.length === 0 || (ui === "ui" && parts.length === 1)) return { page: "servers" };
  if (ui !== "ui" || parts.length > 4) return { page: "unknown" };
  if (page === "new" && first === undefined) return { page: "create" };
  if (page === "node" && second === undefined) {
    const tab = first === undefined ? "overview" : NODE_TABS.find((each) => each === first);
    return tab === undefined ? { page: "unknown" } : { page: "node", tab };
  }
  if (page === "c" && first !== undefined && first !== "") {
    const tab = second === undefined ? "console" : SERVER_TABS.find((each) => each === second);
    const id = decode(first);
    if (tab !== undefined && id !== null) return { page: "server", id, tab, query: new URLSearchParams(search) };
  }
  return { page: "unknown" };
}

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** Return the path of a page, below `base`. */
export function toPath(base: string, ...parts: readonly string[]): string {
  return `${base}/ui/${parts.map(encodeURIComponent).join("/")}`;
}

/** Return the token in a fragment `#t=…`, or null. */
export function toToken(fragment: string): string | null {
  if (!fragment.startsWith("#t=")) return null;
  const token = decode(fragment.slice(3));
  return token === null || token === "" ? null : token;
}
