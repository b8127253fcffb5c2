import { signal } from "@preact/signals";
import type { VNode } from "preact";

import { call, toMessage } from "../lib/api";
import { toBytes } from "../lib/format";
import { html } from "../lib/html";
import { may } from "../lib/session";
import { toast } from "../lib/toast";
import { Badge, Button } from "../views/kit";
import type { Job } from "./types";

/** The archives that are packed or unpacked in a volume. */
export class Jobs {
  readonly rows = signal<readonly Job[]>([]);
  /** Counts the jobs that ended while this page was open. */
  readonly ended = signal(0);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;
  private known = new Set<string>();

  constructor(readonly volume: string) {}

  start(): void {
    this.stopped = false;
    void this.read();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  hurry(): void {
    clearTimeout(this.timer);
    void this.read();
  }

  async cancel(job: Job): Promise<void> {
    try {
      await call("DELETE", `/volumes/${this.volume}/operations/${job.operation_id}`);
    } catch (error) {
      toast(toMessage(error), "error");
    }
    this.hurry();
  }

  private async read(): Promise<void> {
    try {
      const { operations } = await call<{ operations: Job[] }>("GET", `/volumes/${this.volume}/operations`);
      if (this.stopped) return;
      for (const job of operations) {
        if (job.status === "pending") this.known.add(job.operation_id);
        else if (this.known.delete(job.operation_id)) {
          this.ended.value += 1;
          if (job.status === "failed") toast(`${job.kind}: ${job.error ?? "failed"}`, "error");
        }
      }
      this.rows.value = operations.filter((job) => job.status === "pending");
    } catch {
      // The next reading tells.
    }
    clearTimeout(this.timer);
    if (!this.stopped && this.rows.value.length > 0) this.timer = setTimeout(() => { void this.read(); }, 700);
  }
}

export function JobList({ jobs }: { jobs: Jobs }): VNode | null {
  const rows = jobs.rows.value;
  if (rows.length === 0) return null;
  return html`<section class="card transfers" aria-label="Archives in progress">${rows.map((job) => html`<div key=${job.operation_id} class="transfer">
    <span class="what">${job.kind}</span><progress aria-label=${job.kind}></progress><span class="number muted">${toBytes(job.bytes)}</span><${Badge} word=${job.status} />
    ${may("DELETE /volumes/:id/operations/:operation") ? html`<${Button} icon="close" label="Abort" tone="plain" onClick=${() => { void jobs.cancel(job); }} />` : null}</div>`)}</section>`;
}
