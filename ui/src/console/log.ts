/**
 * The lines of a console in a scrolling element. Only lines near the visible part have elements; the others have a
 * height that is computed from their length, or was measured when they were shown.
 *
 * Elements of lines that stay visible are never replaced, so a selection of text survives new lines. While text is
 * selected, and whenever the reader has scrolled up, the log stays where it is.
 */

import { toClock, toCount, toMoment } from "../lib/format";
import { BOLD, DIM, findLinks, INVERSE, ITALIC, NONE, parse, STRIKE, toPlain, UNDERLINE, type Span } from "./ansi";
import { paint } from "./colours";
import { Lines, type Entry, type Incoming, type Line } from "./lines";

export interface LogEvents {
  /** The reader is near the oldest line. */
  readonly reachedTop: () => void;
  /** The log follows new lines, or stopped to. */
  readonly followed: (follows: boolean) => void;
  readonly fillGap: (from: number, to: number, before: Line | null) => void;
}

const OVERSCAN = 400;
/** The most rows that are kept for a selection of text. */
const MOST_SELECTED = 3000;
/** The share of the main thread that drawing may take: the next frame waits in proportion to what the last one cost. */
const SHARE = 0.2;

export class Log {
  readonly lines: Lines;
  follows = true;
  private readonly space = document.createElement("div");
  private readonly body = document.createElement("div");
  private readonly tail = document.createElement("div");
  private readonly shown = new Map<Entry, HTMLElement>();
  private order: Entry[] = [];
  private lineHeight = 20;
  private charWidth = 8;
  private columns = 80;
  private width = 0;
  private frame = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private nextAt = 0;
  private lastTop = 0;
  /** The row at the upper edge, and how far it is scrolled out: what stays in place while the log does not follow. */
  private anchor: { entry: Entry; offset: number } | null = null;
  private partialText = "";
  private needle: RegExp | null = null;
  private marked: Line | null = null;
  private cursor: { anchor: Entry; focus: Entry } | null = null;
  private readonly observer: ResizeObserver;

  constructor(
    readonly element: HTMLElement,
    private readonly events: LogEvents,
  ) {
    this.lines = new Lines((entry) => this.estimate(entry));
    this.space.className = "log-space";
    this.body.className = "log-body";
    this.tail.className = "row partial";
    this.tail.hidden = true;
    this.space.append(this.body);
    element.append(this.space);
    this.measureFont();
    element.addEventListener("scroll", this.scrolled, { passive: true });
    element.addEventListener("keydown", this.pressed);
    element.addEventListener("copy", this.copied);
    document.addEventListener("selectionchange", this.selected);
    this.observer = new ResizeObserver(() => {
      this.resized();
    });
    this.observer.observe(element);
  }

  destroy(): void {
    this.observer.disconnect();
    document.removeEventListener("selectionchange", this.selected);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.element.replaceChildren();
  }

  /** Draw soon: in the next animation frame, or later if drawing takes much of the time. */
  draw(): void {
    if (this.frame !== 0 || this.timer !== undefined) return;
    const wait = this.nextAt - performance.now();
    if (wait <= 0) {
      this.frame = requestAnimationFrame(this.render);
      return;
    }
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.frame = requestAnimationFrame(this.render);
    }, wait);
  }

  setFollows(follows: boolean): void {
    if (follows) {
      this.anchor = null;
      this.cursor = null;
      if (this.hasSelection()) getSelection()?.removeAllRanges();
    }
    if (this.follows === follows) return;
    this.follows = follows;
    if (!follows) this.keepPlace();
    this.events.followed(follows);
    this.nextAt = 0;
    this.draw();
  }

  /** Highlight what an expression matches; null removes the highlights. */
  highlight(needle: RegExp | null): void {
    this.needle = needle;
    this.marked = null;
    this.paintMatches();
    this.draw();
  }

  /** Go to the next line before or after the current one that the expression matches; returns whether there is one. */
  find(step: 1 | -1): boolean {
    const needle = this.needle;
    const start = this.marked ?? (this.follows ? this.lines.rows.last : this.middle());
    if (needle === null || start === null) return false;
    const rows = step > 0 ? this.lines.rows.from(start) : this.lines.rows.before(start);
    for (const entry of [...(step < 0 ? [start] : []), ...rows]) {
      if (entry.kind !== "line" || entry === this.marked) continue;
      needle.lastIndex = 0;
      if (!needle.test(toPlain(entry.text))) continue;
      this.goTo(entry);
      return true;
    }
    return false;
  }

  /** Scroll a line into the middle and mark it. */
  goTo(entry: Line): void {
    this.setFollows(false);
    this.marked = entry;
    this.anchor = { entry, offset: -this.element.clientHeight / 2 };
    this.nextAt = 0;
    this.draw();
  }

  /** Return the kept line with a number, or null. */
  byNumber(number: number): Line | null {
    for (const line of this.lines.all()) if (line.number === number) return line;
    return null;
  }

  mark(line: Line, by: string): void {
    line.by = by;
    const row = this.shown.get(line);
    if (row === undefined) return;
    row.remove();
    this.shown.delete(line);
    this.draw();
  }

  /** Return the text of the last lines, or of those that are selected, without colours. */
  toText(count: number): string {
    const found: string[] = [];
    const last = this.lines.rows.last;
    if (this.lines.partial !== null) found.push(toPlain(this.lines.partial.text));
    if (last === null) return found.join("\n");
    if (last.kind === "line") found.push(toPlain(last.text));
    for (const entry of this.lines.rows.before(last)) {
      if (found.length >= count) break;
      if (entry.kind === "line") found.push(toPlain(entry.text));
    }
    return found.reverse().join("\n");
  }

  private measureFont(): void {
    const probe = document.createElement("div");
    probe.className = "row probe";
    const text = document.createElement("span");
    text.textContent = "0".repeat(100);
    probe.append(text);
    this.space.append(probe);
    const box = text.getBoundingClientRect();
    if (box.width > 0) this.charWidth = box.width / 100;
    const height = probe.getBoundingClientRect().height;
    if (height > 0) this.lineHeight = height;
    probe.remove();
  }

  private estimate(entry: Entry): number {
    if (entry.kind !== "line") return this.lineHeight;
    let length = entry.text.length;
    if (length <= this.columns && !/[^\u0000-\u0fff]/.test(entry.text)) return this.lineHeight; // eslint-disable-line no-control-regex -- a range that includes controls
    const plain = toPlain(entry.text);
    length = plain.length + (plain.match(/[\u1100-\uffef]/g)?.length ?? 0);
    return this.lineHeight * Math.max(1, Math.ceil(length / this.columns));
  }

  private resized(): void {
    const width = this.element.clientWidth;
    if (width !== this.width) {
      this.width = width;
      this.measureFont();
      const style = getComputedStyle(this.body);
      const times = this.element.classList.contains("times") ? 10 * this.charWidth : 0;
      const room = width - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - times;
      this.columns = Math.max(10, Math.floor(room / this.charWidth));
      this.lines.rows.measureAll((entry) => this.estimate(entry));
      for (const [entry, row] of this.shown) this.lines.rows.setHeight(entry, row.offsetHeight);
    }
    this.nextAt = 0;
    this.draw();
  }

  /** Measure all lines anew, after the timestamps were shown or hidden. */
  relayout(): void {
    this.width = 0;
    this.resized();
  }

  private readonly render = (): void => {
    this.frame = 0;
    const begin = performance.now();
    const { element } = this;
    // A scroll whose event has not arrived yet must not be undone.
    this.scrolled();
    const view = element.clientHeight;
    this.drawPartial();
    const tail = this.tail.hidden ? 0 : this.tail.offsetHeight;
    const { rows } = this.lines;
    if (rows.length === 0 || view === 0) {
      this.clear();
      this.setSpace(tail);
      return;
    }
    const wanted = this.follows ? Math.max(0, rows.height + tail - view) : this.wantedTop();
    const margin = this.follows ? view / 4 : OVERSCAN;
    this.show(wanted - margin, wanted + view + margin);
    const top = this.follows ? Math.max(0, rows.height + tail - view) : this.wantedTop();
    this.setSpace(rows.height + tail);
    const first = this.order[0];
    const offset = first === undefined ? 0 : rows.topOf(first);
    this.body.style.transform = `translateY(${String(offset)}px)`;
    this.tail.style.transform = `translateY(${String(rows.height)}px)`;
    if (Math.abs(element.scrollTop - top) >= 1) element.scrollTop = top;
    this.lastTop = element.scrollTop;
    this.paintMatches();
    const now = performance.now();
    this.nextAt = now + (now - begin) * (1 / SHARE - 1);
    if (!this.follows && top < view) this.events.reachedTop();
  };

  private setSpace(height: number): void {
    this.space.style.height = `${String(Math.max(height, this.element.clientHeight))}px`;
  }

  private clear(): void {
    for (const row of this.shown.values()) row.remove();
    this.shown.clear();
    this.order = [];
  }

  /** Give the entries from one offset to another their elements, and measure those that are new. */
  private show(from: number, to: number): void {
    const { rows } = this.lines;
    const place = rows.at(Math.max(0, from));
    if (place === null) return;
    const wanted = this.withSelection(place.item, place.top, to);
    const keep = new Set(wanted);
    for (const [entry, row] of this.shown) {
      if (keep.has(entry)) continue;
      row.remove();
      this.shown.delete(entry);
    }
    const fresh: [Entry, HTMLElement][] = [];
    let next: Element | null = this.body.firstElementChild;
    for (const entry of wanted) {
      let row = this.shown.get(entry);
      if (row === undefined) {
        row = this.toRow(entry);
        this.shown.set(entry, row);
        fresh.push([entry, row]);
      }
      if (row === next) next = next.nextElementSibling;
      else this.body.insertBefore(row, next);
      row.classList.toggle("marked", entry === this.marked);
    }
    this.order = wanted;
    const heights = fresh.map(([, row]) => row.offsetHeight);
    fresh.forEach(([entry], index) => {
      const height = heights[index] ?? 0;
      if (height > 0 && height !== entry.height) rows.setHeight(entry, height);
    });
  }

  /** Return the entries from `first`, at `top`, to an offset, with those between the ends of the selection. */
  private withSelection(first: Entry, top: number, to: number): Entry[] {
    const { rows } = this.lines;
    const wanted: Entry[] = [];
    let offset = top;
    for (const entry of rows.from(first)) {
      wanted.push(entry);
      offset += entry.height;
      if (offset > to) break;
    }
    const held = this.selectedEntries();
    if (held.length === 0) return wanted;
    const inside = new Set(wanted);
    if (held.every((entry) => inside.has(entry))) return wanted;
    const tops = [...held, first, wanted[wanted.length - 1] ?? first]
      .filter((entry) => entry.chunk !== null)
      .map((entry) => ({ entry, top: rows.topOf(entry) }))
      .sort((one, other) => one.top - other.top);
    const [low, high] = [tops[0], tops[tops.length - 1]];
    if (low === undefined || high === undefined) return wanted;
    const all: Entry[] = [];
    for (const entry of rows.from(low.entry)) {
      all.push(entry);
      if (entry === high.entry) break;
      if (all.length > MOST_SELECTED) return wanted;
    }
    return all;
  }

  private wantedTop(): number {
    const { rows } = this.lines;
    const { anchor } = this;
    if (anchor === null || anchor.entry.chunk === null) return Math.min(this.element.scrollTop, rows.height);
    const most = Math.max(0, rows.height + (this.tail.hidden ? 0 : this.tail.offsetHeight) - this.element.clientHeight);
    return Math.min(most, Math.max(0, rows.topOf(anchor.entry) + anchor.offset));
  }

  private keepPlace(): void {
    const place = this.lines.rows.at(this.element.scrollTop);
    this.anchor = place === null ? null : { entry: place.item, offset: this.element.scrollTop - place.top };
  }

  private middle(): Entry | null {
    return this.lines.rows.at(this.element.scrollTop + this.element.clientHeight / 2)?.item ?? null;
  }

  private drawPartial(): void {
    const partial = this.lines.partial;
    const text = partial?.text ?? "";
    if (text === this.partialText && (partial === null) === this.tail.hidden) return;
    this.partialText = text;
    this.tail.hidden = partial === null;
    if (partial === null) this.tail.remove();
    else {
      this.tail.replaceChildren(...this.toContent(partial));
      if (this.tail.parentNode === null) this.space.append(this.tail);
    }
  }

  private toContent(line: Incoming | { text: string; at: number | null }): Node[] {
    const time = document.createElement("span");
    time.className = "time";
    time.textContent = line.at === null ? "" : toClock(line.at);
    if (line.at !== null) time.title = toMoment(line.at);
    const text = document.createElement("span");
    text.className = "text";
    for (const node of toNodes(line.text)) text.append(node);
    return [time, text];
  }

  private toRow(entry: Entry): HTMLElement {
    const row = document.createElement("div");
    if (entry.kind === "line") {
      row.className = entry.by === null ? "row" : "row typed";
      row.dataset["line"] = String(entry.number);
      row.append(...this.toContent(entry));
      if (entry.by !== null) {
        const by = document.createElement("span");
        by.className = "by";
        by.textContent = entry.by;
        row.append(by);
      }
    } else if (entry.kind === "note") {
      row.className = `row note ${entry.tone}`;
      row.append(...this.toContent(entry));
    } else {
      row.className = "row gap";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${toCount(entry.to - entry.from + 1, "line is", "lines are")} missing here`;
      button.title = "Ask the daemon for these lines";
      button.addEventListener("click", () => {
        let after: Line | null = null;
        for (const each of this.lines.rows.from(entry)) {
          if (each.kind !== "line") continue;
          after = each;
          break;
        }
        this.events.fillGap(entry.from, entry.to, after);
      });
      row.append(button);
    }
    return row;
  }

  private readonly scrolled = (): void => {
    const { element } = this;
    const top = element.scrollTop;
    const atEnd = top + element.clientHeight >= element.scrollHeight - 2;
    if (Math.abs(top - this.lastTop) < 1) return;
    const up = top < this.lastTop;
    this.lastTop = top;
    if (this.follows) {
      if (up && !atEnd) this.stop();
    } else if (atEnd && !this.hasSelection() && this.marked === null) {
      this.setFollows(true);
      return;
    } else {
      this.marked = atEnd ? this.marked : null;
      this.keepPlace();
    }
    this.nextAt = 0;
    this.draw();
  };

  private stop(): void {
    this.follows = false;
    this.keepPlace();
    this.events.followed(false);
  }

  private hasSelection(): boolean {
    const selection = getSelection();
    return selection !== null && !selection.isCollapsed && this.element.contains(selection.anchorNode);
  }

  private readonly selected = (): void => {
    if (this.follows && this.hasSelection()) this.stop();
  };

  private selectedEntries(): Entry[] {
    if (!this.hasSelection()) return [];
    const selection = getSelection();
    const ends = [selection?.anchorNode ?? null, selection?.focusNode ?? null];
    const found: Entry[] = [];
    for (const [entry, row] of this.shown) if (ends.some((node) => row.contains(node))) found.push(entry);
    return found;
  }

  /** Lines are selected with Shift and the arrow keys; Ctrl+A selects those that have elements, so it is left alone. */
  private readonly pressed = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      this.cursor = null;
      getSelection()?.removeAllRanges();
      return;
    }
    if (event.key === "End" && !event.shiftKey) {
      event.preventDefault();
      this.setFollows(true);
      return;
    }
    if (!event.shiftKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    const up = event.key === "ArrowUp";
    if (this.cursor === null || this.cursor.focus.chunk === null || !this.hasSelection()) {
      const start = this.lastVisible();
      if (start === null) return;
      this.cursor = { anchor: start, focus: start };
    } else {
      const rows = up ? this.lines.rows.before(this.cursor.focus) : this.lines.rows.from(this.cursor.focus);
      for (const entry of rows) {
        if (entry === this.cursor.focus || entry.kind !== "line") continue;
        this.cursor.focus = entry;
        break;
      }
    }
    this.stop();
    this.select();
  };

  private lastVisible(): Entry | null {
    const { rows } = this.lines;
    const place = rows.at(this.element.scrollTop + this.element.clientHeight - this.lineHeight);
    if (place === null) return null;
    if (place.item.kind === "line") return place.item;
    for (const entry of rows.before(place.item)) if (entry.kind === "line") return entry;
    return null;
  }

  private select(): void {
    if (this.cursor === null) return;
    const { anchor, focus } = this.cursor;
    const top = this.lines.rows.topOf(focus);
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.anchor = { entry: focus, offset: 0 };
    else if (top + focus.height > scrollTop + clientHeight) this.anchor = { entry: focus, offset: focus.height - clientHeight };
    this.render();
    const [from, to] = [this.shown.get(anchor), this.shown.get(focus)];
    const [begin, end] = [from?.querySelector(".text"), to?.querySelector(".text")];
    if (begin === null || begin === undefined || end === null || end === undefined) return;
    const backwards = this.lines.rows.topOf(focus) < this.lines.rows.topOf(anchor);
    if (backwards) getSelection()?.setBaseAndExtent(begin, begin.childNodes.length, end, 0);
    else getSelection()?.setBaseAndExtent(begin, 0, end, end.childNodes.length);
  }

  /** A copy has the lines as they are on the console: no times, no names, one line feed each. */
  private readonly copied = (event: ClipboardEvent): void => {
    const selection = getSelection();
    if (selection === null || !this.hasSelection() || selection.rangeCount === 0) return;
    const range = selection.getRangeAt(0);
    const texts: string[] = [];
    for (const entry of this.order) {
      const text = this.shown.get(entry)?.querySelector(".text");
      if (text === null || text === undefined || !range.intersectsNode(text)) continue;
      const part = document.createRange();
      part.selectNodeContents(text);
      if (part.compareBoundaryPoints(Range.START_TO_START, range) < 0) part.setStart(range.startContainer, range.startOffset);
      if (part.compareBoundaryPoints(Range.END_TO_END, range) > 0) part.setEnd(range.endContainer, range.endOffset);
      texts.push(part.toString());
    }
    if (texts.length === 0) return;
    event.clipboardData?.setData("text/plain", texts.join("\n"));
    event.preventDefault();
  };

  private paintMatches(): void {
    if (!("highlights" in CSS)) return;
    if (this.needle === null) {
      CSS.highlights.delete("found");
      return;
    }
    const ranges: Range[] = [];
    for (const row of this.shown.values()) {
      const text = row.querySelector(".text");
      if (text === null) continue;
      ranges.push(...toRanges(text, this.needle));
      if (ranges.length > 1000) break;
    }
    CSS.highlights.set("found", new Highlight(...ranges));
  }
}

/** Return a range for each match in the text of an element. */
function toRanges(element: Element, needle: RegExp): Range[] {
  const nodes: { node: Text; begin: number }[] = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let all = "";
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    nodes.push({ node: node as Text, begin: all.length });
    all += node.textContent ?? "";
  }
  const ranges: Range[] = [];
  for (const match of all.matchAll(needle)) {
    if (match[0] === "" || ranges.length === 100) break;
    const range = document.createRange();
    const end = match.index + match[0].length;
    for (const { node, begin } of nodes) {
      const stop = begin + node.data.length;
      if (match.index >= begin && match.index < stop) range.setStart(node, match.index - begin);
      if (end > begin && end <= stop) range.setEnd(node, end - begin);
    }
    ranges.push(range);
  }
  return ranges;
}

/** Return the nodes of a line: text with its colours, and links. */
export function toNodes(line: string): Node[] {
  const spans = parse(line);
  const plain = spans.map((span) => span.text).join("");
  const links = findLinks(plain);
  if (links.length === 0) return spans.map(toNode);
  const nodes: Node[] = [];
  let at = 0;
  let link = 0;
  let open: HTMLAnchorElement | null = null;
  for (const span of spans) {
    let rest = span.text;
    while (rest !== "") {
      const next = links[link];
      const inside = next !== undefined && at >= next.begin;
      const stop = next === undefined ? at + rest.length : inside ? next.end : next.begin;
      const part = rest.slice(0, stop - at);
      rest = rest.slice(part.length);
      at += part.length;
      const node = toNode({ text: part, style: span.style });
      if (next !== undefined && inside) {
        open ??= toAnchor(next.href);
        open.append(node);
        if (at >= next.end) {
          nodes.push(open);
          open = null;
          link += 1;
        }
      } else nodes.push(node);
    }
  }
  return nodes;
}

function toAnchor(href: string): HTMLAnchorElement {
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.rel = "noopener noreferrer nofollow";
  anchor.target = "_blank";
  return anchor;
}

function toNode({ text, style }: Span): Node {
  if (style.fg === NONE && style.bg === NONE && style.flags === 0) return document.createTextNode(text);
  const span = document.createElement("span");
  span.textContent = text;
  const { flags } = style;
  const classes: string[] = [];
  if ((flags & BOLD) !== 0) classes.push("b");
  if ((flags & ITALIC) !== 0) classes.push("i");
  if ((flags & UNDERLINE) !== 0) classes.push("u");
  if ((flags & STRIKE) !== 0) classes.push("s");
  const inverse = (flags & INVERSE) !== 0;
  if (inverse && style.fg === NONE && style.bg === NONE) classes.push("inv");
  else {
    const [fg, bg] = inverse ? [style.bg === NONE ? 0 : style.bg, style.fg === NONE ? 7 : style.fg] : [style.fg, style.bg];
    if (fg === NONE && bg === NONE) {
      if ((flags & DIM) !== 0) classes.push("d");
    } else {
      const { dark, light, ground } = paint(fg, bg);
      classes.push("c");
      if (dark !== null) span.style.setProperty("--fd", dark);
      if (light !== null) span.style.setProperty("--fl", light);
      if (ground !== null) {
        classes.push("g");
        span.style.setProperty("--g", ground);
      }
    }
  }
  span.className = classes.join(" ");
  return span;
}
