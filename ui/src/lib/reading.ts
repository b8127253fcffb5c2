/** Reads something again and again while a part of a page is shown. */

import { useEffect, useState } from "preact/hooks";

import { call, toMessage } from "./api";

export interface Reading<T> {
  readonly found: T | null;
  readonly problem: string | null;
  readonly again: () => void;
}

/** Return what a route answers, read again after each `every` milliseconds; 0 reads it once. */
export function useReading<T>(path: string, every = 0, seen?: (found: T) => void): Reading<T> {
  const [found, setFound] = useState<T | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async (): Promise<void> => {
      try {
        const answer = await call<T>("GET", path, { signal: abort.signal });
        setFound(answer);
        setProblem(null);
        seen?.(answer);
      } catch (error) {
        if (abort.signal.aborted) return;
        setProblem(toMessage(error));
      }
      if (every > 0 && !abort.signal.aborted) timer = setTimeout(() => { void read(); }, document.hidden ? 10 * every : every);
    };
    void read();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [path, every, turn]);
  return { found, problem, again: () => { setTurn((now) => now + 1); } };
}
