/**
 * Sends a file in pieces. Each piece that arrived stays with the daemon for a day, so an upload continues where it was
 * after a lost connection, a restart of the daemon, or when the same file is given again.
 */

import { toDelay } from "../lib/backoff";

export const PIECE = 16 * 1024 * 1024;

export interface Transport {
  /** Return how much the daemon has. */
  readonly offset: () => Promise<number>;
  /** Send the bytes from one position to another; returns how much the daemon has then, or null if the file is complete. */
  readonly put: (from: number, to: number, progress: (sent: number) => void) => Promise<number | null>;
  /** Return whether an error can be over when it is tried again. */
  readonly passes: (error: unknown) => boolean;
  readonly wait: (ms: number) => Promise<void>;
}

export interface Progress {
  readonly sent: number;
  /** True while the connection is lost. */
  readonly stalled: boolean;
}

/** Send a file of `size` bytes. Raises the error that ended it; errors that pass are tried again without an end. */
export async function upload(size: number, transport: Transport, progress: (now: Progress) => void, piece = PIECE): Promise<void> {
  let offset: number | null = null;
  for (let attempt = 0; ; ) {
    try {
      if (offset === null) {
        offset = Math.min(size, await transport.offset());
        // All bytes are there, but not the file: the last piece is sent again, which completes it.
        if (offset === size && size > 0) offset = Math.max(0, size - piece);
      }
      const from: number = offset;
      progress({ sent: from, stalled: false });
      const stored = await transport.put(from, Math.min(size, from + piece), (sent) => {
        progress({ sent: from + sent, stalled: false });
      });
      attempt = 0;
      if (stored === null) {
        progress({ sent: size, stalled: false });
        return;
      }
      offset = stored;
    } catch (error) {
      if (!transport.passes(error)) throw error;
      progress({ sent: offset ?? 0, stalled: true });
      offset = null;
      await transport.wait(toDelay(attempt, 0.5));
      attempt += 1;
    }
  }
}

/** Return the name of an upload, the same for the same file and target. */
export function toName(path: string, size: number, modified: number): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(path)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return `ui-${hash.toString(36)}-${size.toString(36)}-${modified.toString(36)}`.slice(0, 64);
}
