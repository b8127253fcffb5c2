/**
 * The lines of a console, by their numbers: each is kept once, in order, whatever it came with (the stream, a
 * repeated stream after a reconnect, older lines on request). Where numbers are missing there is a gap.
 */

import { Rows, type Item } from "./rows";

export interface Incoming {
  readonly line: number;
  readonly text: string;
  readonly at: number | null;
}

export interface Line extends Item {
  readonly kind: "line";
  readonly number: number;
  readonly text: string;
  readonly at: number | null;
  /** Who typed it, if it is the echo of a command. */
  by: string | null;
}

export interface Gap extends Item {
  readonly kind: "gap";
  /** The first and the last number that are missing. */
  readonly from: number;
  readonly to: number;
}

export interface Note extends Item {
  readonly kind: "note";
  readonly text: string;
  readonly at: number;
  readonly tone: "info" | "error" | "input";
}

export type Entry = Line | Gap | Note;

export const MOST_LINES = 100_000;
export const MOST_CHARACTERS = 24 * 1024 * 1024;

export interface Limits {
  readonly lines: number;
  readonly characters: number;
}

export class Lines {
  readonly rows = new Rows<Entry>();
  /** The unfinished line, which has no place among the others yet. */
  partial: Incoming | null = null;
  /** The lowest and the highest number that is kept or known to be missing; 0 if there is none. */
  first = 0;
  last = 0;
  /** True if all older lines that the daemon has are kept. */
  complete = false;
  private characters = 0;
  private readonly gaps = new Set<Gap>();

  constructor(
    private readonly estimate: (entry: Entry) => number,
    private readonly limits: Limits = { lines: MOST_LINES, characters: MOST_CHARACTERS },
  ) {}

  /** Add lines in ascending order; those that are kept already are left out. Returns those that are new. */
  add(incoming: readonly Incoming[]): Line[] {
    const older: Incoming[] = [];
    const between: Incoming[] = [];
    const added: Line[] = [];
    for (const each of incoming) {
      if (this.last === 0 || each.line > this.last) {
        if (this.last === 0) this.first = each.line;
        else this.missing(each.line - 1);
        added.push(this.push(this.toLine(each)));
        this.last = each.line;
      } else if (each.line < this.first) older.push(each);
      else between.push(each);
    }
    if (this.partial !== null && this.partial.line <= this.last) this.partial = null;
    if (older.length > 0) added.push(...this.prepend(older));
    if (between.length > 0) added.push(...this.fill(between));
    this.trim();
    return added;
  }

  /** Replace the unfinished line; an empty text removes it. One that is finished already is ignored. */
  draw(partial: Incoming): void {
    if (partial.line <= this.last) return;
    this.partial = partial.text === "" ? null : partial;
  }

  /** The lines up to `to` are missing. */
  missing(to: number): void {
    if (this.last === 0) {
      [this.first, this.last] = [to + 1, to];
      return;
    }
    if (to <= this.last) return;
    this.push(this.toGap(this.last + 1, to));
    this.last = to;
    if (this.partial !== null && this.partial.line <= to) this.partial = null;
  }

  note(text: string, tone: Note["tone"], at: number): void {
    this.push({ kind: "note", text, tone, at, height: 0, chunk: null });
  }

  /** Give the lines without gaps and notes. */
  *all(): Generator<Line> {
    for (const entry of this.rows) if (entry.kind === "line") yield entry;
  }

  private push<T extends Entry>(entry: T): T {
    entry.height = this.estimate(entry);
    this.rows.push(entry);
    return entry;
  }

  private toLine({ line, text, at }: Incoming): Line {
    this.characters += text.length;
    return { kind: "line", number: line, text, at, by: null, height: 0, chunk: null };
  }

  private toGap(from: number, to: number): Gap {
    const gap: Gap = { kind: "gap", from, to, height: 0, chunk: null };
    this.gaps.add(gap);
    return gap;
  }

  /** Put lines before the first one, with gaps where numbers are missing. */
  private prepend(older: readonly Incoming[]): Line[] {
    const made: Entry[] = [];
    let next = older[0]?.line ?? 0;
    const first = next;
    for (const each of older) {
      if (each.line < next) continue;
      if (each.line > next) made.push(this.toGap(next, each.line - 1));
      made.push(this.toLine(each));
      next = each.line + 1;
    }
    if (next < this.first) made.push(this.toGap(next, this.first - 1));
    for (const entry of made) entry.height = this.estimate(entry);
    this.rows.prepend(made);
    this.first = first;
    return made.filter((entry) => entry.kind === "line");
  }

  /** Put lines into the gaps that they belong to. */
  private fill(between: readonly Incoming[]): Line[] {
    const added: Line[] = [];
    for (const gap of [...this.gaps]) {
      const inside = between.filter((each) => each.line >= gap.from && each.line <= gap.to);
      if (inside.length === 0) continue;
      const made: Entry[] = [];
      let next = gap.from;
      for (const each of inside) {
        if (each.line < next) continue;
        if (each.line > next) made.push(this.toGap(next, each.line - 1));
        const line = this.toLine(each);
        made.push(line);
        added.push(line);
        next = each.line + 1;
      }
      if (next <= gap.to) made.push(this.toGap(next, gap.to));
      for (const entry of made) entry.height = this.estimate(entry);
      this.rows.replace(gap, made);
      this.gaps.delete(gap);
    }
    return added;
  }

  /** Drop the oldest lines beyond the limits, some hundreds at a time. */
  private trim(): void {
    while (this.rows.length > this.limits.lines || this.characters > this.limits.characters) {
      const dropped = this.rows.dropChunk();
      if (dropped.length === 0) return;
      for (const entry of dropped) {
        if (entry.kind === "line") this.characters -= entry.text.length;
        else if (entry.kind === "gap") this.gaps.delete(entry);
      }
      this.complete = false;
      this.first = this.lowest();
    }
  }

  private lowest(): number {
    for (const entry of this.rows) {
      if (entry.kind === "line") return entry.number;
      if (entry.kind === "gap") return entry.from;
    }
    return this.last + 1;
  }
}

/** Split the text of a `console` or `logs` frame into its lines; the last one of a partial frame has no end. */
export function split(data: string, line: number, at: number | null): Incoming[] {
  const texts = data.split("\n");
  if (texts[texts.length - 1] === "") texts.pop();
  return texts.map((text, index) => ({ line: line + index, text, at }));
}
