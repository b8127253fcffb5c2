/** Small parts that the pages share. */

import type { ComponentChildren, VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { signal } from "@preact/signals";

import { html } from "../lib/html";
import { dismiss, toasts } from "../lib/toast";
import type { InstallState, PowerState } from "../lib/types";

const ICONS = {
  play: "M6 4l13 8-13 8z",
  stop: "M6 6h12v12H6z",
  restart: "M20 12a8 8 0 1 1-2.5-5.8M20 3v5h-5",
  kill: "M5 5l14 14M19 5L5 19",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16.5 16.5L21 21",
  up: "M6 15l6-6 6 6",
  down: "M6 9l6 6 6-6",
  pause: "M8 5v14M16 5v14",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v5l3 2",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  sound: "M4 10v4h4l5 4V6L8 10zM17 9a4 4 0 0 1 0 6",
  mute: "M4 10v4h4l5 4V6L8 10zM17 9l4 6M21 9l-4 6",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  moon: "M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5z",
  exit: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  close: "M6 6l12 12M18 6L6 18",
  folder: "M3 6h6l2 2h10v11H3z",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  upload: "M12 16V4M7 9l5-5 5 5M4 20h16",
  download: "M12 4v12M7 11l5 5 5-5M4 20h16",
  plus: "M12 5v14M5 12h14",
  trash: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  send: "M4 12l16-8-6 16-3-6z",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  archive: "M4 4h16v5H4zM6 9v11h12V9M10 13h4",
  check: "M5 12l5 5 9-10",
  alert: "M12 4l9 16H3zM12 10v4M12 17h.01",
} as const;

export type IconName = keyof typeof ICONS;

export function Icon({ name }: { name: IconName }): VNode {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${ICONS[name]} /></svg>`;
}

export interface ButtonProps {
  readonly onClick?: (event: MouseEvent) => void;
  readonly icon?: IconName;
  readonly label?: string;
  readonly tone?: "primary" | "danger" | "plain";
  readonly off?: boolean;
  readonly pressed?: boolean;
  readonly title?: string;
  readonly type?: "button" | "submit";
  readonly class?: string;
  readonly children?: ComponentChildren;
}

/**
 * A button. With `off` it does nothing, but keeps the focus, which a disabled element would lose. Without children
 * only its icon is visible, and `label` is its name.
 */
export function Button(props: ButtonProps): VNode {
  const { icon, label, tone, off = false, pressed, title, type = "button", children } = props;
  const click = (event: MouseEvent): void => {
    if (off) event.preventDefault();
    else props.onClick?.(event);
  };
  const classes = ["button", tone ?? "", children === undefined ? "only" : "", props.class ?? ""].join(" ");
  return html`<button type=${type} class=${classes} onClick=${click} aria-label=${label} title=${title ?? label}
    aria-disabled=${off ? "true" : undefined} aria-pressed=${pressed === undefined ? undefined : String(pressed)}>
    ${icon === undefined ? null : html`<${Icon} name=${icon} />`}${children === undefined ? null : html`<span>${children}</span>`}
  </button>`;
}

export interface Shown {
  readonly state: PowerState;
  readonly install_state: InstallState;
  readonly quarantined: boolean;
  readonly exit: { readonly crashed: boolean } | null;
}

/** Return the one word for the state of a container. */
export function toWord(row: Shown): string {
  if (row.quarantined) return "quarantined";
  if (row.install_state !== "ready") return row.install_state === "failed" ? "install failed" : "installing";
  if (row.state === "offline" && row.exit?.crashed === true) return "crashed";
  return row.state;
}

export function Badge({ word }: { word: string }): VNode {
  return html`<span class=${`badge ${word.replace(/ /g, "-")}`}>${word}</span>`;
}

export function Problem({ text, retry }: { text: string; retry?: () => void }): VNode {
  return html`<div class="problem" role="alert"><${Icon} name="alert" /><span>${text}</span>
    ${retry === undefined ? null : html`<${Button} onClick=${retry}>Try again<//>`}</div>`;
}

export function Loading({ what }: { what: string }): VNode {
  return html`<p class="loading" role="status">Loading ${what} …</p>`;
}

export interface FieldProps {
  readonly label: string;
  readonly help?: ComponentChildren;
  readonly error?: string | null;
  readonly children: ComponentChildren;
  readonly wide?: boolean;
}

/** A labelled control; the label contains it. */
export function Field({ label, help, error, children, wide = false }: FieldProps): VNode {
  return html`<label class=${wide ? "field wide" : "field"}><span class="label">${label}</span>${children}
    ${help === undefined ? null : html`<span class="help">${help}</span>`}
    ${error === undefined || error === null ? null : html`<span class="error">${error}</span>`}</label>`;
}

interface Question {
  readonly title: string;
  readonly text: string;
  readonly action: string;
  readonly danger: boolean;
  /** What must be typed to go on. */
  readonly typed: string | null;
  readonly answer: (yes: boolean) => void;
}

const question = signal<Question | null>(null);

/** Ask before an action; returns whether to go on. */
export function confirm(title: string, text: string, action: string, typed: string | null = null): Promise<boolean> {
  question.value?.answer(false);
  return new Promise((resolve) => {
    question.value = {
      title,
      text,
      action,
      danger: true,
      typed,
      answer: (yes) => {
        question.value = null;
        resolve(yes);
      },
    };
  });
}

export function Dialog({ title, onClose, children, wide = false }: { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean }): VNode {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const cancel = (event: Event): void => {
    event.preventDefault();
    onClose();
  };
  return html`<dialog ref=${ref} class=${wide ? "wide" : ""} aria-labelledby="dialog-title" onCancel=${cancel}>
    <header><h2 id="dialog-title">${title}</h2><${Button} icon="close" label="Close" tone="plain" onClick=${onClose} /></header>
    ${children}
  </dialog>`;
}

export function Questions(): VNode | null {
  const asked = question.value;
  if (asked === null) return null;
  return html`<${Asked} key=${asked.title} asked=${asked} />`;
}

function Asked({ asked }: { asked: Question }): VNode {
  const typed = useRef<HTMLInputElement>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (asked.typed !== null && typed.current?.value !== asked.typed) {
      typed.current?.setCustomValidity(`Type ${asked.typed}`);
      typed.current?.reportValidity();
      return;
    }
    asked.answer(true);
  };
  return html`<${Dialog} title=${asked.title} onClose=${() => { asked.answer(false); }}>
    <form method="dialog" onSubmit=${submit}>
      <p>${asked.text}</p>
      ${asked.typed === null ? null : html`<${Field} label=${`Type ${asked.typed} to confirm`}>
        <input ref=${typed} autocomplete="off" spellcheck=${false} onInput=${() => { typed.current?.setCustomValidity(""); }} /><//>`}
      <footer><${Button} onClick=${() => { asked.answer(false); }}>Cancel<//>
        <${Button} type="submit" tone=${asked.danger ? "danger" : "primary"}>${asked.action}<//></footer>
    </form>
  <//>`;
}

export function Toasts(): VNode {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map((each) => html`<div key=${each.key} class=${`toast ${each.tone}`}><span>${each.text}</span>
      <${Button} icon="close" label="Close this message" tone="plain" onClick=${() => { dismiss(each.key); }} /></div>`)}
  </div>`;
}

export function Meter({ value, most, label }: { value: number; most: number; label: string }): VNode {
  return html`<meter min="0" max=${most} value=${value} low=${most * 0.75} high=${most * 0.9} optimum="0" aria-label=${label}></meter>`;
}

/** Copy a text; where pages may not use the clipboard (plain HTTP), by a selection. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "offscreen";
    document.body.append(area);
    area.select();
    // The only way without a secure context.
    const done = document.execCommand("copy"); // eslint-disable-line @typescript-eslint/no-deprecated -- see above
    area.remove();
    return done;
  }
}
