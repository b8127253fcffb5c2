/** Follows an operation of the daemon until it has ended. */

import { call, isPassing } from "./api";
import type { Operation } from "./types";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Return an operation when it has ended; `seen` is called with each state of it. Raises `ApiError`. */
export async function follow(id: string, seen: (operation: Operation) => void, signal?: AbortSignal): Promise<Operation> {
  for (let wait = 200; ; wait = Math.min(2000, wait * 1.4)) {
    try {
      const operation = await call<Operation>("GET", `/operations/${encodeURIComponent(id)}`, signal === undefined ? {} : { signal });
      seen(operation);
      if (operation.status !== "pending") return operation;
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
    await sleep(wait);
  }
}
