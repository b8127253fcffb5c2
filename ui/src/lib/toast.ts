import { signal } from "@preact/signals";

export interface Toast {
  readonly key: number;
  readonly text: string;
  readonly tone: "info" | "error";
}

export const toasts = signal<readonly Toast[]>([]);
let next = 1;

/** Show a message for some seconds; an error stays until it is closed. */
export function toast(text: string, tone: Toast["tone"] = "info"): void {
  const key = next++;
  toasts.value = [...toasts.value.slice(-3), { key, text, tone }];
  if (tone === "info") {
    setTimeout(() => {
      dismiss(key);
    }, 5000);
  }
}

export function dismiss(key: number): void {
  toasts.value = toasts.value.filter((each) => each.key !== key);
}
