import { useEffect, useRef, useState } from "preact/hooks";
import type { VNode } from "preact";

import { html } from "../lib/html";
import { Button, Dialog, Field } from "../views/kit";

const value = (event: Event): string => (event.target as HTMLInputElement).value;

interface NameProps {
  readonly title: string;
  readonly label: string;
  readonly action: string;
  readonly name?: string;
  readonly onName: (name: string) => void;
  readonly onClose: () => void;
}

export function NameDialog({ title, label, action, name = "", onName, onClose }: NameProps): VNode {
  const [text, setText] = useState(name);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const dot = name.lastIndexOf(".");
    input.current?.focus();
    input.current?.setSelectionRange(0, dot > 0 ? dot : name.length);
  }, []);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (text.trim() !== "") onName(text);
  };
  return html`<${Dialog} title=${title} onClose=${onClose}><form onSubmit=${submit}>
    <${Field} label=${label}><input ref=${input} value=${text} required spellcheck=${false} autocomplete="off" onInput=${(event: Event) => { setText(value(event)); }} /><//>
    <footer><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" tone="primary">${action}<//></footer>
  </form><//>`;
}

export function MoveDialog({ from, count, onMove, onClose }: { from: string; count: number; onMove: (folder: string) => void; onClose: () => void }): VNode {
  const [text, setText] = useState(from);
  const submit = (event: Event): void => {
    event.preventDefault();
    onMove(text.replace(/^\/+|\/+$/g, ""));
  };
  return html`<${Dialog} title=${`Move ${String(count)}`} onClose=${onClose}><form onSubmit=${submit}>
    <${Field} label="To the folder" help="Relative to the volume; empty is the volume itself. It is created if it does not exist.">
      <input value=${text} spellcheck=${false} autocomplete="off" onInput=${(event: Event) => { setText(value(event)); }} /><//>
    <footer><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" tone="primary">Move<//></footer>
  </form><//>`;
}

const WHO = ["Owner", "Group", "Others"] as const;
const WHAT = [["read", 4], ["write", 2], ["execute", 1]] as const;

export function ChmodDialog({ mode, count, onMode, onClose }: { mode: string; count: number; onMode: (mode: string) => void; onClose: () => void }): VNode {
  const [digits, setDigits] = useState<readonly number[]>(Array.from(mode.slice(-3), Number));
  const flip = (who: number, bit: number): void => { setDigits(digits.map((digit, at) => (at === who ? digit ^ bit : digit))); };
  const submit = (event: Event): void => {
    event.preventDefault();
    onMode(digits.join(""));
  };
  return html`<${Dialog} title=${count === 1 ? "Permissions" : `Permissions of ${String(count)}`} onClose=${onClose}><form onSubmit=${submit}>
    ${WHO.map((name, who) => html`<fieldset key=${name} class="bits"><legend>${name}</legend>
      ${WHAT.map(([word, bit]) => html`<label key=${word}><input type="checkbox" checked=${((digits[who] ?? 0) & bit) !== 0} onChange=${() => { flip(who, bit); }} /> ${word}</label>`)}</fieldset>`)}
    <p class="mono">${digits.join("")}</p>
    <footer><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" tone="primary">Change<//></footer>
  </form><//>`;
}

const FORMATS = ["tar.gz", "zip", "tar.zst", "tar.bz2", "tar"] as const;

export function PackDialog({ suggested, onPack, onClose }: { suggested: string; onPack: (name: string, format: string) => void; onClose: () => void }): VNode {
  const [name, setName] = useState(suggested);
  const [format, setFormat] = useState<string>("tar.gz");
  const submit = (event: Event): void => {
    event.preventDefault();
    onPack(name, format);
  };
  return html`<${Dialog} title="Pack into an archive" onClose=${onClose}><form onSubmit=${submit}>
    <${Field} label="Name"><input value=${name} required spellcheck=${false} autocomplete="off" onInput=${(event: Event) => { setName(value(event)); }} /><//>
    <${Field} label="Format"><select value=${format} onChange=${(event: Event) => { setFormat(value(event)); }}>${FORMATS.map((each) => html`<option key=${each}>${each}</option>`)}</select><//>
    <footer><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" tone="primary">Pack<//></footer>
  </form><//>`;
}
