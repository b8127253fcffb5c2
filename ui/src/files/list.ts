import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { VNode } from "preact";

import { toBytes, toMoment } from "../lib/format";
import { html } from "../lib/html";
import { Icon } from "../views/kit";
import { toShown, toWindow } from "./names";
import type { Entry } from "./types";

const HEIGHT = 38;

interface ListProps {
  readonly entries: readonly Entry[];
  readonly picked: ReadonlySet<string>;
  readonly onPick: (picked: ReadonlySet<string>) => void;
  readonly onOpen: (entry: Entry) => void;
  readonly onDelete: () => void;
  readonly onUp: (() => void) | null;
}

/**
 * A folder of any length: only rows near the visible part have elements. It is one stop for the Tab key; the arrow
 * keys move between rows, Space selects, Enter opens, Backspace goes up.
 */
export function FileList({ entries, picked, onPick, onOpen, onDelete, onUp }: ListProps): VNode {
  const frame = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [view, setView] = useState(600);
  const [at, setAt] = useState(0);
  const last = useRef(0);
  const cursor = Math.min(at, Math.max(0, entries.length - 1));
  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => { setView(element.clientHeight); });
    observer.observe(element);
    return () => { observer.disconnect(); };
  }, []);
  useEffect(() => {
    setAt(0);
    if (frame.current !== null) frame.current.scrollTop = 0;
  }, [entries[0]?.name, entries.length === 0]);
  const pick = (index: number, to: boolean | null, range: boolean): void => {
    const next = new Set(picked);
    const [from, end] = range ? [Math.min(last.current, index), Math.max(last.current, index)] : [index, index];
    for (let each = from; each <= end; each += 1) {
      const entry = entries[each];
      if (entry === undefined) continue;
      if (to ?? (range || !next.has(entry.name))) next.add(entry.name);
      else next.delete(entry.name);
    }
    last.current = index;
    onPick(next);
  };
  const move = (to: number, selects: boolean): void => {
    const index = Math.min(entries.length - 1, Math.max(0, to));
    if (selects) pick(index, true, true);
    else last.current = index;
    setAt(index);
    const element = frame.current;
    if (element === null) return;
    if (index * HEIGHT < element.scrollTop) element.scrollTop = index * HEIGHT;
    else if ((index + 1) * HEIGHT > element.scrollTop + element.clientHeight) element.scrollTop = (index + 1) * HEIGHT - element.clientHeight;
  };
  const keys = (event: KeyboardEvent): void => {
    const entry = entries[cursor];
    const rows = Math.max(1, Math.floor(view / HEIGHT) - 1);
    if (event.key === "ArrowDown") move(cursor + 1, event.shiftKey);
    else if (event.key === "ArrowUp") move(cursor - 1, event.shiftKey);
    else if (event.key === "PageDown") move(cursor + rows, event.shiftKey);
    else if (event.key === "PageUp") move(cursor - rows, event.shiftKey);
    else if (event.key === "Home") move(0, event.shiftKey);
    else if (event.key === "End") move(entries.length - 1, event.shiftKey);
    else if (event.key === " ") pick(cursor, null, false);
    else if (event.key === "Enter" && entry !== undefined) onOpen(entry);
    else if (event.key === "Delete") onDelete();
    else if (event.key === "Backspace" && onUp !== null) onUp();
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) onPick(new Set(entries.map((each) => each.name)));
    else if (event.key === "Escape") onPick(new Set());
    else return;
    event.preventDefault();
  };
  const { first, end } = toWindow(entries.length, HEIGHT, top, view);
  const active = entries[cursor];
  const rows = entries.slice(first, end).map((entry, offset) => {
    const index = first + offset;
    const chosen = picked.has(entry.name);
    return html`<div key=${entry.name} id=${`entry-${String(index)}`} role="option" aria-selected=${String(chosen)} aria-posinset=${index + 1} aria-setsize=${entries.length}
        class=${`entry${chosen ? " picked" : ""}${index === cursor ? " current" : ""}`} style=${{ transform: `translateY(${String(index * HEIGHT)}px)` }}
        onClick=${(event: MouseEvent) => {
          setAt(index);
          if (event.shiftKey) pick(index, true, true);
          else if (event.ctrlKey || event.metaKey || (event.target as Element).closest(".box") !== null) pick(index, null, false);
          else onOpen(entry);
        }}>
      <span class="box" aria-hidden="true">${chosen ? html`<${Icon} name="check" />` : null}</span>
      <span class=${`kind ${entry.type}`}><${Icon} name=${entry.type === "directory" ? "folder" : entry.type === "symlink" ? "link" : "file"} /></span>
      <span class="name"><bdi>${toShown(entry.name)}</bdi></span>
      <span class="size">${entry.type === "file" ? toBytes(entry.size) : ""}</span>
      <span class="when">${toMoment(entry.modified_at).slice(0, 16)}</span>
      <span class="mode mono">${entry.mode}</span>
    </div>`;
  });
  return html`<div class="entries" ref=${frame} tabindex="0" role="listbox" aria-multiselectable="true" aria-label="Files and folders"
      aria-activedescendant=${active === undefined || cursor < first || cursor >= end ? undefined : `entry-${String(cursor)}`}
      onScroll=${(event: Event) => { setTop((event.target as HTMLElement).scrollTop); }} onKeyDown=${keys}>
    <div class="entries-space" style=${{ height: `${String(Math.max(1, entries.length) * HEIGHT)}px` }} role="presentation">
      ${rows}${entries.length === 0 ? html`<p class="empty" role="option" aria-disabled="true" aria-selected="false">Nothing here. Drop files to upload them.</p>` : null}</div>
  </div>`;
}
