/** What a form of settings changes: only fields whose text was changed are sent. */

import { readBytes } from "./format";
import type { Container } from "./types";

export interface Draft {
  readonly display_name: string;
  readonly image: string;
  readonly pull: string;
  readonly startup_command: string;
  readonly start_pattern: string;
  readonly environment: string;
  readonly labels: string;
  readonly memory: string;
  readonly cpu: string;
  readonly pids: string;
  readonly stop_type: string;
  readonly stop_value: string;
  readonly stop_timeout: string;
  readonly restart_mode: string;
  readonly restart_max: string;
  readonly restart_within: string;
}

export class BadField extends Error {
  constructor(
    readonly field: keyof Draft,
    message: string,
  ) {
    super(message);
  }
}

const text = (value: number | null | undefined): string => (value === null || value === undefined ? "" : String(value));

export function toPairs(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n");
}

/** Return the memory limit as a person would type it: in whole MiB if it is. */
export function toMemory(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return "";
  return bytes % (1024 * 1024) === 0 ? `${String(bytes / (1024 * 1024))} MiB` : String(bytes);
}

export function toDraft(row: Container): Draft {
  return {
    display_name: row.display_name ?? "",
    image: row.image,
    pull: row.pull,
    startup_command: row.startup_command ?? "",
    start_pattern: row.start_pattern ?? "",
    environment: toPairs(row.environment ?? {}),
    labels: toPairs(row.labels),
    memory: toMemory(row.limits.memory),
    cpu: text(row.limits.cpu),
    pids: text(row.limits.pids),
    stop_type: row.stop.type,
    stop_value: row.stop.value,
    stop_timeout: String(row.stop.timeout),
    restart_mode: row.restart_policy.mode,
    restart_max: String(row.restart_policy.max),
    restart_within: String(row.restart_policy.within),
  };
}

/** Return `name=value` lines as an object; raises `BadField`. */
export function readPairs(lines: string, field: keyof Draft, needsValue: boolean): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [index, line] of lines.split("\n").entries()) {
    if (line.trim() === "") continue;
    const at = line.indexOf("=");
    const name = (at < 0 ? line : line.slice(0, at)).trim();
    if (name === "" || (at < 0 && needsValue)) throw new BadField(field, `Line ${String(index + 1)} must be NAME=value`);
    if (Object.hasOwn(found, name)) throw new BadField(field, `${name} is there twice`);
    found[name] = at < 0 ? "" : line.slice(at + 1);
  }
  return found;
}

function whole(value: string, field: keyof Draft, what: string): number {
  if (!/^\s*\d{1,15}\s*$/.test(value)) throw new BadField(field, `${what} must be a whole number`);
  return Number(value);
}

/** Return the limits of a draft; raises `BadField`. An empty text is no limit. */
export function readLimits(draft: Pick<Draft, "memory" | "cpu" | "pids">): Record<string, number> {
  const limits: Record<string, number> = {};
  if (draft.memory.trim() !== "") {
    const bytes = readBytes(draft.memory);
    if (bytes === null) throw new BadField("memory", "The memory must be a size such as 512 MiB or 2 GiB");
    limits["memory"] = bytes;
  }
  if (draft.cpu.trim() !== "") {
    const cpu = Number(draft.cpu);
    if (!(cpu > 0)) throw new BadField("cpu", "The cores must be a number such as 1.5");
    limits["cpu"] = cpu;
  }
  if (draft.pids.trim() !== "") limits["pids"] = whole(draft.pids, "pids", "The number of processes");
  return limits;
}

/** Return the body of a PATCH for the fields that differ between two drafts; raises `BadField`. */
export function toPatch(before: Draft, after: Draft): Record<string, unknown> {
  const changed = (...fields: (keyof Draft)[]): boolean => fields.some((field) => before[field] !== after[field]);
  const patch: Record<string, unknown> = {};
  if (changed("display_name")) patch["display_name"] = after.display_name.trim() === "" ? null : after.display_name;
  if (changed("image")) patch["image"] = after.image.trim();
  if (changed("pull")) patch["pull"] = after.pull;
  if (changed("startup_command")) patch["startup_command"] = after.startup_command;
  if (changed("start_pattern")) patch["start_pattern"] = after.start_pattern === "" ? null : after.start_pattern;
  if (changed("environment")) patch["environment"] = readPairs(after.environment, "environment", true);
  if (changed("labels")) patch["labels"] = readPairs(after.labels, "labels", false);
  if (changed("memory", "cpu", "pids")) patch["limits"] = readLimits(after);
  if (changed("stop_type", "stop_value", "stop_timeout")) {
    const timeout = whole(after.stop_timeout, "stop_timeout", "The seconds");
    patch["stop"] = { type: after.stop_type, value: after.stop_value, timeout };
  }
  if (changed("restart_mode", "restart_max", "restart_within")) {
    const [max, within] = [whole(after.restart_max, "restart_max", "The number"), whole(after.restart_within, "restart_within", "The seconds")];
    patch["restart_policy"] = { mode: after.restart_mode, max, within };
  }
  return patch;
}
