/** One container as its page shows it: its state, its console's stream, and the operation that was asked for last. */

import { batch, signal } from "@preact/signals";

import { ApiError, call, container as toPath, toMessage } from "../lib/api";
import { Live, type Frame } from "../lib/live";
import { follow } from "../lib/operations";
import { may } from "../lib/session";
import { toast } from "../lib/toast";
import type { Accepted, Container, Operation, PowerState, Usage } from "../lib/types";

export type Action = "start" | "stop" | "restart" | "kill";

export interface Running {
  readonly kind: string;
  readonly id: string;
  readonly status: Operation["status"];
  readonly error: string | null;
  /** When it was asked for, in the clock of this page. */
  readonly since: number;
}

const STATES: Readonly<Record<string, PowerState>> = {
  starting: "starting",
  running: "running",
  stopping: "stopping",
  exit: "offline",
  ready: "offline",
};

export class ServerModel {
  readonly container = signal<Container | null>(null);
  readonly problem = signal<string | null>(null);
  readonly gone = signal(false);
  readonly usage = signal<Usage | null>(null);
  readonly operation = signal<Running | null>(null);
  /** Counts the changes of state, for what is to be read again then. */
  readonly changes = signal(0);
  readonly live: Live;
  /** What shows the console: it takes its frames and knows its last line. */
  console: { frame: (frame: Frame) => void; opened: () => void; last: () => number } | null = null;
  private seq = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reading = false;
  private again = false;

  constructor(readonly id: string) {
    this.live = new Live(`/ws/${encodeURIComponent(id)}`, {
      query: () => this.toQuery(),
      frame: (frame) => { this.take(frame); },
      opened: () => {
        void this.read();
        this.console?.opened();
      },
    });
    void this.read();
  }

  close(): void {
    clearTimeout(this.timer);
    this.live.close();
  }

  /** Read the container again. */
  async read(): Promise<void> {
    if (this.reading) {
      this.again = true;
      return;
    }
    this.reading = true;
    try {
      const found = await call<Container>("GET", toPath(this.id));
      batch(() => {
        [this.container.value, this.problem.value] = [found, null];
      });
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) this.gone.value = true;
      else this.problem.value = toMessage(error);
    } finally {
      this.reading = false;
      if (this.again) {
        this.again = false;
        void this.read();
      }
    }
  }

  async act(action: Action): Promise<void> {
    await this.run(action, () => call<Accepted>("POST", `${toPath(this.id)}/${action}`));
  }

  /** Ask for an operation and follow it to its end; returns whether it succeeded. */
  async run(kind: string, ask: () => Promise<Accepted>): Promise<boolean> {
    const since = Date.now();
    this.operation.value = { kind, id: "", status: "pending", error: null, since };
    const mine = (): boolean => this.operation.value?.since === since;
    try {
      const { operation_id: id } = await ask();
      const ended = await follow(id, (operation) => {
        if (mine()) this.operation.value = { kind, id, status: operation.status, error: operation.error, since };
      });
      void this.read();
      return ended.status === "succeeded";
    } catch (error) {
      if (error instanceof ApiError && error.status === 404 && kind === "delete") return true;
      if (mine()) this.operation.value = { kind, id: "", status: "failed", error: toMessage(error), since };
      return false;
    } finally {
      const ended = this.operation.value;
      if (mine() && ended.status === "succeeded") {
        setTimeout(() => { if (mine()) this.operation.value = null; }, 4000);
      }
    }
  }

  private toQuery(): Record<string, number> {
    const last = may("GET /containers/:id/logs") ? (this.console?.last() ?? 0) : 0;
    return { ...(this.seq > 0 ? { since: this.seq } : {}), ...(last > 0 ? { since_line: last } : {}) };
  }

  private take(frame: Frame): void {
    if (frame.event === "stats") this.usage.value = frame as unknown as Usage;
    else if (frame.event === "event") this.changed(frame);
    else if (frame.event === "error" && this.console === null) toast(String(frame["data"]), "error");
    this.console?.frame(frame);
  }

  private changed(frame: Frame): void {
    if (typeof frame["seq"] === "number") this.seq = Math.max(this.seq, frame["seq"]);
    const word = String(frame["data"]);
    const before = this.container.value;
    const state = STATES[word];
    batch(() => {
      if (word === "deleted") this.gone.value = true;
      if (word === "exit") this.usage.value = null;
      if (before !== null && state !== undefined) this.container.value = { ...before, state };
      if (before !== null && word === "installing") this.container.value = { ...before, install_state: "installing" };
      this.changes.value += 1;
    });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { void this.read(); }, 120);
  }
}
