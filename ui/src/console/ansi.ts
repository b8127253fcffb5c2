/**
 * A console line as spans of text with a style. What a line contains has no effect outside of it: its colours end
 * with it, and sequences other than colours are left out.
 *
 * Carriage returns and backspaces are carried out. Left out are all other controls, OSC, DCS, APC, PM and SOS strings
 * with their contents, and the characters that change the direction of text: with those, a player could make a line
 * look like another one.
 */

export const BOLD = 1;
export const DIM = 2;
export const ITALIC = 4;
export const UNDERLINE = 8;
export const STRIKE = 16;
export const INVERSE = 32;

/** A colour: `NONE`, an index of 0 to 255, or `RGB` plus the three bytes. */
export const NONE = -1;
export const RGB = 0x1000000;

export interface Style {
  readonly fg: number;
  readonly bg: number;
  readonly flags: number;
}

export interface Span {
  text: string;
  style: Style;
}

export const PLAIN: Style = { fg: NONE, bg: NONE, flags: 0 };

/** The most spans of one line; what follows has the style of the last one. */
export const MOST_SPANS = 2000;

const ESC = 0x1b;
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
// eslint-disable-next-line no-control-regex -- controls are what it looks for
const SPECIAL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** Return the spans of a line. */
export function parse(line: string): Span[] {
  if (!SPECIAL.test(line)) return line === "" ? [] : [{ text: line, style: PLAIN }];
  const pieces = scan(line);
  return /[\r\b]/.test(line) ? draw(pieces) : join(pieces);
}

/** Return the text of a line as a person sees it. */
export function toPlain(line: string): string {
  if (!SPECIAL.test(line)) return line;
  return parse(line)
    .map((span) => span.text)
    .join("");
}

/** Split a line at its escape sequences; `\r` and `\b` stay in the text. */
function scan(line: string): Span[] {
  const found: Span[] = [];
  let style = PLAIN;
  let begin = 0;
  let at = 0;
  const take = (end: number): void => {
    if (end > begin) {
      const text = clean(line.slice(begin, end));
      if (text !== "") found.push({ text, style });
    }
  };
  while (at < line.length) {
    const code = line.charCodeAt(at);
    const opener = code === ESC ? line.charCodeAt(at + 1) : code >= 0x80 && code <= 0x9f ? code - 0x40 : 0;
    if (opener === 0 && code !== ESC) {
      at += 1;
      continue;
    }
    take(at);
    const start = at + (code === ESC ? 2 : 1);
    if (opener === 0x5b) {
      const end = endOfControl(line, start);
      if (line.charCodeAt(end) === 0x6d && found.length < MOST_SPANS) style = restyle(style, line.slice(start, end));
      at = end + 1;
    } else if (opener === 0x5d || opener === 0x50 || opener === 0x58 || opener === 0x5e || opener === 0x5f) {
      at = endOfString(line, start);
    } else if (code === ESC) {
      let end = at + 1;
      while (line.charCodeAt(end) >= 0x20 && line.charCodeAt(end) <= 0x2f) end += 1;
      at = line.charCodeAt(end) >= 0x30 ? end + 1 : end;
    } else {
      at = start;
    }
    begin = at;
  }
  take(line.length);
  return found;
}

/** Return the position of the final byte of a control sequence whose parameters begin at `at`. */
function endOfControl(line: string, at: number): number {
  let end = at;
  while (end < line.length) {
    const code = line.charCodeAt(end);
    if (code >= 0x40 && code <= 0x7e) return end;
    if (code < 0x20 || code > 0x3f) return end - 1;
    end += 1;
  }
  return end;
}

/** Return the position after a string, which ends at BEL or ST; one without an end takes the whole line. */
function endOfString(line: string, at: number): number {
  for (let end = at; end < line.length; end += 1) {
    const code = line.charCodeAt(end);
    if (code === 0x07 || code === 0x9c) return end + 1;
    if (code === ESC && line.charCodeAt(end + 1) === 0x5c) return end + 2;
  }
  return line.length;
}

function clean(text: string): string {
  // eslint-disable-next-line no-control-regex -- controls are what is removed
  return text.replace(/[\u0000-\u0007\u000a-\u000c\u000e-\u001f\u007f-\u009f\u2028\u2029]/g, "").replace(DIRECTION, "");
}

/** Return `style` as the parameters of an SGR sequence change it. */
export function restyle(style: Style, parameters: string): Style {
  if (!/^[\d;:]*$/.test(parameters)) return style;
  let { fg, bg, flags } = style;
  const codes = parameters.split(/[;:]/, 64).map((each) => (each === "" ? 0 : Number(each)));
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0;
    if (code === 0) [fg, bg, flags] = [NONE, NONE, 0];
    else if (code === 1) flags |= BOLD;
    else if (code === 2) flags |= DIM;
    else if (code === 3) flags |= ITALIC;
    else if (code === 4 || code === 21) flags |= UNDERLINE;
    else if (code === 7) flags |= INVERSE;
    else if (code === 9) flags |= STRIKE;
    else if (code === 22) flags &= ~(BOLD | DIM);
    else if (code === 23) flags &= ~ITALIC;
    else if (code === 24) flags &= ~UNDERLINE;
    else if (code === 27) flags &= ~INVERSE;
    else if (code === 29) flags &= ~STRIKE;
    else if (code >= 30 && code <= 37) fg = code - 30;
    else if (code === 39) fg = NONE;
    else if (code >= 40 && code <= 47) bg = code - 40;
    else if (code === 49) bg = NONE;
    else if (code >= 90 && code <= 97) fg = code - 82;
    else if (code >= 100 && code <= 107) bg = code - 92;
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes, at + 1);
      at += used;
      if (colour !== null && code === 38) fg = colour;
      if (colour !== null && code === 48) bg = colour;
    }
  }
  return { fg, bg, flags };
}

/** Return the colour after 38 or 48 (null if it is malformed), and how many parameters it takes. */
function extended(codes: readonly number[], at: number): [number | null, number] {
  const byte = (value: number | undefined): number | null =>
    value !== undefined && Number.isInteger(value) && value >= 0 && value <= 255 ? value : null;
  if (codes[at] === 5) return [byte(codes[at + 1]), 2];
  if (codes[at] !== 2) return [null, codes.length];
  const [r, g, b] = [byte(codes[at + 1]), byte(codes[at + 2]), byte(codes[at + 3])];
  return [r === null || g === null || b === null ? null : RGB | (r << 16) | (g << 8) | b, 4];
}

function join(pieces: readonly Span[]): Span[] {
  const spans: Span[] = [];
  for (const { text, style } of pieces) {
    const last = spans[spans.length - 1];
    if (last !== undefined && same(last.style, style)) last.text += text;
    else spans.push({ text, style });
  }
  return spans;
}

/** Carry out carriage returns and backspaces: what is written later replaces what was there. */
function draw(pieces: readonly Span[]): Span[] {
  const cells: Span[] = [];
  let column = 0;
  for (const { text, style } of pieces) {
    for (const char of text) {
      if (char === "\r") column = 0;
      else if (char === "\b") column = Math.max(0, column - 1);
      else {
        cells[column] = { text: char, style };
        column += 1;
      }
    }
  }
  return join(cells);
}

export function same(one: Style, other: Style): boolean {
  return one === other || (one.fg === other.fg && one.bg === other.bg && one.flags === other.flags);
}

export interface Link {
  readonly begin: number;
  readonly end: number;
  readonly href: string;
}

const URL_LIKE = /\bhttps?:\/\/[^\s<>"'`\\^{|}]{1,2000}/gi;

/** Return the links of a plain text: http and https only, without the punctuation behind them. */
export function findLinks(text: string): Link[] {
  if (!text.includes("://")) return [];
  const links: Link[] = [];
  for (const match of text.matchAll(URL_LIKE)) {
    let found = match[0].replace(/[.,;:!?*_~]+$/, "");
    while (/[)\]]$/.test(found) && !balanced(found)) found = found.slice(0, -1).replace(/[.,;:!?]+$/, "");
    const href = toHref(found);
    if (href !== null) links.push({ begin: match.index, end: match.index + found.length, href });
    if (links.length === 50) break;
  }
  return links;
}

function balanced(text: string): boolean {
  const count = (char: string): number => text.split(char).length - 1;
  return count("(") >= count(")") && count("[") >= count("]");
}

function toHref(text: string): string | null {
  try {
    const url = new URL(text);
    return (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== "" ? url.href : null;
  } catch {
    return null;
  }
}
