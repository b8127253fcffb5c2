/** The page that is shown, as the address says. */

import { signal } from "@preact/signals";

import { BASE } from "./base";
import { toPath, toRoute, type Route } from "./route";

const read = (): Route => toRoute(location.pathname, location.search, BASE);

export const route = signal<Route>(read());

/** Asked before a page is left; returns false to stay. */
let guard: (() => boolean) | null = null;

export function setGuard(asked: (() => boolean) | null): void {
  guard = asked;
}

export function go(path: string, replace = false): void {
  if (guard !== null && !guard()) return;
  guard = null;
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  const before = route.value;
  route.value = read();
  if (before.page !== route.value.page) scrollTo(0, 0);
}

export const path = (...parts: readonly string[]): string => toPath(BASE, ...parts);

/** Follow links between pages without loading the application again. */
export function startNavigation(): void {
  addEventListener("popstate", () => {
    route.value = read();
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link === null || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target !== "" || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (!link.pathname.startsWith(`${BASE}/ui/`)) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
