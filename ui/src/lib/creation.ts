/** The body that creates a container, from the texts of a form. */

import { BadField, readLimits, readPairs } from "./patch";

export interface Wish {
  readonly internal_id: string;
  readonly display_name: string;
  readonly image: string;
  readonly startup_command: string;
  readonly start_pattern: string;
  readonly environment: string;
  readonly labels: string;
  readonly memory: string;
  readonly cpu: string;
  readonly pids: string;
  readonly install_script: string;
  readonly stop_type: string;
  readonly stop_value: string;
}

export interface WishedPort {
  readonly ip: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

/** Return the fields that image and egg have in common; raises `BadField`. */
export function toShared(wish: Wish, ports: readonly WishedPort[], volume: string): Record<string, unknown> {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(wish.internal_id)) {
    throw new BadField("display_name", "The id must be 1 to 63 letters, digits, _ . and -, and start with a letter or digit");
  }
  const body: Record<string, unknown> = { internal_id: wish.internal_id, volume_id: volume, ports };
  if (wish.display_name.trim() !== "") body["display_name"] = wish.display_name;
  const limits = readLimits(wish);
  if (Object.keys(limits).length > 0) body["limits"] = limits;
  const labels = readPairs(wish.labels, "labels", false);
  if (Object.keys(labels).length > 0) body["labels"] = labels;
  return body;
}

/** Return the body for a container from an image; raises `BadField`. */
export function toImageBody(wish: Wish, ports: readonly WishedPort[], volume: string): Record<string, unknown> {
  const body = { ...toShared(wish, ports, volume), image: wish.image.trim(), startup_command: wish.startup_command };
  const environment = readPairs(wish.environment, "environment", true);
  return {
    ...body,
    ...(Object.keys(environment).length > 0 ? { environment } : {}),
    ...(wish.start_pattern === "" ? {} : { start_pattern: wish.start_pattern }),
    ...(wish.install_script.trim() === "" ? {} : { install_script: wish.install_script }),
    ...(wish.stop_value.trim() === "" ? {} : { stop: { type: wish.stop_type, value: wish.stop_value, timeout: 30 } }),
  };
}
