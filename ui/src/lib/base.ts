import { toBase } from "./route";

/** The path that a proxy adds in front of the daemon's, without a slash at its end. */
export const BASE = toBase(import.meta.url);
