/** Which servers of a list are shown. */

import type { Row } from "./types";

export interface Filter {
  readonly text: string;
  /** Words of states, of which one is enough; none means any. */
  readonly states: readonly string[];
  /** `name` or `name=value`, all of which are needed. */
  readonly labels: readonly string[];
}

/** Return whether a server with this word for its state fits a filter: each word of the text must be found. */
export function matches(row: Row, word: string, { text, states, labels }: Filter): boolean {
  if (states.length > 0 && !states.includes(word)) return false;
  if (!labels.every((label) => hasLabel(row.labels, label))) return false;
  const words = text.toLowerCase().split(/\s+/).filter((each) => each !== "");
  if (words.length === 0) return true;
  const ports = row.ports.map((port) => `${port.ip}:${String(port.port)}`);
  const where = [row.internal_id, row.display_name ?? "", row.image, ...ports, ...Object.values(row.labels)].join("\n").toLowerCase();
  return words.every((each) => where.includes(each));
}

function hasLabel(labels: Readonly<Record<string, string>>, label: string): boolean {
  const at = label.indexOf("=");
  if (at < 0) return Object.hasOwn(labels, label);
  const name = label.slice(0, at);
  return Object.hasOwn(labels, name) && labels[name] === label.slice(at + 1);
}

/** Return every label of many servers once, sorted, as `name=value` (`name` if the value is empty). */
export function toLabels(all: readonly Readonly<Record<string, string>>[]): string[] {
  const found = new Set<string>();
  for (const labels of all) for (const [name, value] of Object.entries(labels)) found.add(value === "" ? name : `${name}=${value}`);
  return [...found].sort();
}
