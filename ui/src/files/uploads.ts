/** The uploads of this tab: they go on while other pages are shown. */

import { computed, signal } from "@preact/signals";

import { ApiError, call, errorOf, headers, isPassing, toMessage, toUrl } from "../lib/api";
import { join } from "./names";
import { toName, upload } from "./upload";

export interface Upload {
  readonly key: number;
  readonly volume: string;
  readonly path: string;
  readonly size: number;
  readonly sent: number;
  readonly state: "waiting" | "sending" | "stalled" | "done" | "failed" | "stopped";
  readonly error: string | null;
}

export const uploads = signal<readonly Upload[]>([]);
/** Counts the files that arrived, for lists that show them. */
export const arrivals = signal(0);
export const active = computed(() => uploads.value.some((each) => each.state === "waiting" || each.state === "sending" || each.state === "stalled"));

interface Task {
  readonly key: number;
  readonly volume: string;
  readonly path: string;
  readonly file: File;
  readonly replace: boolean;
  readonly abort: AbortController;
}

const AT_ONCE = 2;
const waiting: Task[] = [];
const tasks = new Map<number, Task>();
let running = 0;
let next = 1;

addEventListener("beforeunload", (event) => {
  if (active.value) event.preventDefault();
});

function change(key: number, values: Partial<Upload>): void {
  uploads.value = uploads.value.map((each) => (each.key === key ? { ...each, ...values } : each));
}

/** Send a file into a folder; with `replace` a file of this name is replaced. */
export function start(volume: string, folder: string, file: File, name: string, replace: boolean): void {
  const key = next++;
  const task: Task = { key, volume, path: join(folder, name), file, replace, abort: new AbortController() };
  tasks.set(key, task);
  uploads.value = [...uploads.value, { key, volume, path: task.path, size: file.size, sent: 0, state: "waiting", error: null }];
  waiting.push(task);
  work();
}

export function retry(key: number): void {
  const task = tasks.get(key);
  if (task === undefined) return;
  const fresh = { ...task, abort: new AbortController() };
  tasks.set(key, fresh);
  change(key, { state: "waiting", error: null });
  waiting.push(fresh);
  work();
}

/** Stop an upload. What has arrived stays for a day, so that it can go on. */
export function stop(key: number): void {
  const task = tasks.get(key);
  task?.abort.abort();
  const at = waiting.findIndex((each) => each.key === key);
  if (at >= 0) waiting.splice(at, 1);
  change(key, { state: "stopped" });
}

/** Remove an upload from the list, and what has arrived of it. */
export function discard(key: number): void {
  const task = tasks.get(key);
  const shown = uploads.value.find((each) => each.key === key);
  uploads.value = uploads.value.filter((each) => each.key !== key);
  tasks.delete(key);
  if (task === undefined || shown?.state === "done") return;
  call("DELETE", `/volumes/${task.volume}/files/upload`, { query: toQuery(task) }).catch(() => {
    // The daemon removes it after a day.
  });
}

export function clearDone(): void {
  for (const each of uploads.value) if (each.state === "done") tasks.delete(each.key);
  uploads.value = uploads.value.filter((each) => each.state !== "done");
}

const toQuery = (task: Task): { path: string; upload: string } => ({
  path: task.path,
  upload: toName(task.path, task.file.size, task.file.lastModified),
});

function work(): void {
  while (running < AT_ONCE) {
    const task = waiting.shift();
    if (task === undefined) return;
    running += 1;
    void send(task).finally(() => {
      running -= 1;
      work();
    });
  }
}

async function send(task: Task): Promise<void> {
  const { key, file } = task;
  change(key, { state: "sending" });
  try {
    await upload(
      file.size,
      {
        offset: async () => {
          if (file.size === 0) return 0;
          const { offset } = await call<{ offset: number }>("GET", `/volumes/${task.volume}/files/upload`, { query: toQuery(task), signal: task.abort.signal });
          return offset;
        },
        put: (from, to, progress) => put(task, from, to, progress),
        passes: (error) => !task.abort.signal.aborted && (isPassing(error) || isOfOurs(error)),
        wait: (ms) => new Promise((resolve) => { setTimeout(resolve, ms); }),
      },
      ({ sent, stalled }) => { if (!task.abort.signal.aborted) change(key, { sent, state: stalled ? "stalled" : "sending" }); },
    );
    change(key, { state: "done", sent: file.size });
    arrivals.value += 1;
  } catch (error) {
    if (task.abort.signal.aborted) return;
    const exists = error instanceof ApiError && error.status === 412;
    change(key, { state: "failed", error: exists ? "A file of this name exists." : toMessage(error) });
  }
}

/** Return whether the daemon still waits for a connection of this upload that was lost, or has more than we knew. */
function isOfOurs(error: unknown): boolean {
  if (!(error instanceof ApiError) || error.status !== 409) return false;
  return error.code === "invalid_offset" || error.message.startsWith("Another client is sending");
}

/** Send one piece. `fetch` does not tell how much of a body was sent, `XMLHttpRequest` does. */
function put(task: Task, from: number, to: number, progress: (sent: number) => void): Promise<number | null> {
  const { file, abort } = task;
  const whole = from === 0 && to === file.size && file.size < 1024 * 1024;
  const query = whole ? { path: task.path } : { ...toQuery(task), length: file.size, offset: from };
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const cancel = (): void => { request.abort(); };
    abort.signal.addEventListener("abort", cancel);
    request.open("PUT", toUrl(`/volumes/${task.volume}/files/content`, query));
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    if (!task.replace) request.setRequestHeader("If-None-Match", "*");
    request.upload.onprogress = (event) => { progress(event.loaded); };
    request.onloadend = () => {
      abort.signal.removeEventListener("abort", cancel);
      const body = read(request.responseText);
      if (request.status < 200 || request.status > 299) {
        reject(request.status === 0 ? new ApiError(0, "unreachable", "The daemon does not answer") : errorOf(request.status, body));
      } else resolve(typeof body["offset"] === "number" && body["size"] === undefined ? body["offset"] : null);
    };
    request.send(file.slice(from, to));
  });
}

function read(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
