/** Dark or light: what the system says, unless the reader chose one. */

import { computed, effect, signal } from "@preact/signals";

const KEY = "lightd.theme";
export type Theme = "dark" | "light";

const system = matchMedia("(prefers-color-scheme: dark)");
const systemTheme = signal<Theme>(system.matches ? "dark" : "light");
const stored = localStorage.getItem(KEY);
const chosen = signal<Theme | null>(stored === "dark" || stored === "light" ? stored : null);

export const theme = computed<Theme>(() => chosen.value ?? systemTheme.value);

export function toggleTheme(): void {
  chosen.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, chosen.value);
}

export function startTheme(): void {
  system.addEventListener("change", (event) => {
    systemTheme.value = event.matches ? "dark" : "light";
  });
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value;
  });
}
