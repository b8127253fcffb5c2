/**
 * The colours of a console in both themes. Every text has a contrast of at least 4.5 to its background (WCAG 2.2 AA):
 * a colour that has less is made lighter or darker, and keeps its hue.
 */

import { NONE, RGB } from "./ansi";

export type Rgb = readonly [number, number, number];

export const DARK_GROUND: Rgb = [13, 17, 23];
export const LIGHT_GROUND: Rgb = [255, 255, 255];
export const CONTRAST = 4.5;

/** The colours 0 to 15, as xterm has them. */
const SIXTEEN: readonly Rgb[] = [
  [0, 0, 0],
  [205, 49, 49],
  [13, 188, 121],
  [229, 229, 16],
  [36, 114, 200],
  [188, 63, 188],
  [17, 168, 205],
  [229, 229, 229],
  [102, 102, 102],
  [241, 76, 76],
  [35, 209, 139],
  [245, 245, 67],
  [59, 142, 234],
  [214, 112, 214],
  [41, 184, 219],
  [255, 255, 255],
];
const STEPS = [0, 95, 135, 175, 215, 255];

/** Return a colour of `Style` as its three bytes. */
export function toRgb(colour: number): Rgb {
  if (colour >= RGB) return [(colour >> 16) & 255, (colour >> 8) & 255, colour & 255];
  const basic = SIXTEEN[colour];
  if (basic !== undefined) return basic;
  if (colour >= 232) {
    const grey = 8 + 10 * (colour - 232);
    return [grey, grey, grey];
  }
  const cube = colour - 16;
  const step = (index: number): number => STEPS[index] ?? 0;
  return [step(Math.floor(cube / 36)), step(Math.floor(cube / 6) % 6), step(cube % 6)];
}

export function luminance([r, g, b]: Rgb): number {
  const linear = (byte: number): number => {
    const value = byte / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

export function contrast(one: Rgb, other: Rgb): number {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

/** Return `colour`, mixed with as little white or black as gives it enough contrast to `ground`. */
export function legible(colour: Rgb, ground: Rgb): Rgb {
  if (contrast(colour, ground) >= CONTRAST) return colour;
  const end: Rgb = contrast([255, 255, 255], ground) >= contrast([0, 0, 0], ground) ? [255, 255, 255] : [0, 0, 0];
  let [low, high] = [0, 1];
  for (let turn = 0; turn < 8; turn += 1) {
    const middle = (low + high) / 2;
    if (contrast(mix(colour, end, middle), ground) >= CONTRAST) high = middle;
    else low = middle;
  }
  return mix(colour, end, high);
}

function mix(one: Rgb, other: Rgb, share: number): Rgb {
  const between = (index: 0 | 1 | 2): number => Math.round(one[index] + (other[index] - one[index]) * share);
  return [between(0), between(1), between(2)];
}

export interface Painted {
  /** The colour of the text on a dark and on a light page; null is that of the page. */
  readonly dark: string | null;
  readonly light: string | null;
  readonly ground: string | null;
}

const painted = new Map<string, Painted>();

/** Return the colours of a text with these two colours of `Style`, as CSS. */
export function paint(fg: number, bg: number): Painted {
  const key = `${String(fg)}/${String(bg)}`;
  const known = painted.get(key);
  if (known !== undefined) return known;
  if (painted.size > 4096) painted.clear();
  const ground = bg === NONE ? null : toRgb(bg);
  const on = (page: Rgb): string | null => {
    if (ground !== null) return css(legible(fg === NONE ? [255, 255, 255] : toRgb(fg), ground));
    return fg === NONE ? null : css(legible(toRgb(fg), page));
  };
  const made = { dark: on(DARK_GROUND), light: on(LIGHT_GROUND), ground: ground === null ? null : css(ground) };
  painted.set(key, made);
  return made;
}

function css([r, g, b]: Rgb): string {
  return `rgb(${String(r)} ${String(g)} ${String(b)})`;
}
