import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { VNode } from "preact";

import { toPlain } from "../console/ansi";
import { split, type Incoming, type Line } from "../console/lines";
import { Log } from "../console/log";
import { ApiError, call, container as toPath, toMessage } from "../lib/api";
import { toCount, toMoment } from "../lib/format";
import { html } from "../lib/html";
import type { Frame } from "../lib/live";
import { may } from "../lib/session";
import { toast } from "../lib/toast";
import type { LogLine } from "../lib/types";
import { Button, copy, Dialog, Loading, Problem } from "./kit";
import type { ServerModel } from "./server-model";

const FIRST = 500;
const OLDER = 2000;
const MOST = 10_000;
/** The lines of a frame were printed up to a second after the time of the frame. */
const SLACK = 1.01;

const times = localStorage.getItem("lightd.times");
const showsTimes = signal(times === null ? innerWidth > 760 : times === "yes");
const announces = signal(localStorage.getItem("lightd.announce") === "yes");

interface Typed {
  readonly command: string;
  readonly until: number;
}

/** The stream of a console, its older lines and what was typed here. */
class Feed {
  readonly log: Log;
  readonly follows = signal(true);
  readonly unseen = signal(0);
  readonly problem = signal<string | null>(null);
  readonly loading = signal(false);
  /** The newest lines, for a screen reader. */
  readonly spoken = signal("");
  private loaded = false;
  private typed: Typed[] = [];
  private toSay: string[] = [];
  private saying: ReturnType<typeof setTimeout> | undefined;

  constructor(
    element: HTMLElement,
    private readonly model: ServerModel,
  ) {
    this.log = new Log(element, {
      reachedTop: () => { void this.loadOlder(); },
      followed: (follows) => {
        this.follows.value = follows;
        if (follows) this.unseen.value = 0;
      },
      fillGap: (from, to, after) => { void this.fillGap(from, to, after); },
    });
    model.console = {
      frame: (frame) => { this.take(frame); },
      opened: () => { if (!this.loaded) void this.loadFirst(); },
      last: () => this.log.lines.last,
    };
    if (model.live.status.value === "open") void this.loadFirst();
  }

  close(): void {
    this.model.console = null;
    clearTimeout(this.saying);
    this.log.destroy();
  }

  /** Send a command; returns why it was not sent, or null. */
  async command(text: string): Promise<string | null> {
    const typed = { command: text.trim(), until: Date.now() + 3000 };
    if (typed.command !== "") this.typed.push(typed);
    this.log.setFollows(true);
    try {
      await call("POST", `${toPath(this.model.id)}/command`, { body: { command: text } });
    } catch (error) {
      this.typed = this.typed.filter((each) => each !== typed);
      return toMessage(error);
    }
    setTimeout(() => {
      if (!this.typed.includes(typed)) return;
      this.typed = this.typed.filter((each) => each !== typed);
      this.log.lines.note(`> ${text}`, "input", Date.now() / 1000);
      this.log.draw();
    }, 400);
    return null;
  }

  private take(frame: Frame): void {
    const { lines } = this.log;
    const [data, line] = [frame["data"], frame["line"]];
    const at = typeof frame["at"] === "number" ? frame["at"] : null;
    if (frame.event === "console" && typeof data === "string" && typeof line === "number") {
      if (frame["partial"] === true) lines.draw({ line, text: data, at });
      else this.added(lines.add(split(data, line, at)), true);
    } else if (frame.event === "gap" && typeof frame["next_line"] === "number") lines.missing(frame["next_line"] - 1);
    else if (frame.event === "daemon_message") lines.note(String(data), String(data).startsWith("Error") ? "error" : "info", Date.now() / 1000);
    else if (frame.event === "event" && data === "exit") this.noteExit(frame);
    else if (frame.event === "error") lines.note(String(data), "error", Date.now() / 1000);
    else return;
    this.log.draw();
  }

  private noteExit(frame: Frame): void {
    // Sent as the present state after each connection, too: only what crashed is worth a line.
    if (frame["crashed"] !== true || frame["seq"] === undefined) return;
    const code = typeof frame["code"] === "number" ? `exit code ${String(frame["code"])}` : "unknown exit code";
    this.log.lines.note(`The process ended by itself (${code}${frame["oom_killed"] === true ? ", out of memory" : ""})`, "error", Date.now() / 1000);
  }

  private added(lines: readonly Line[], fresh: boolean): void {
    if (!fresh || lines.length === 0) return;
    if (!this.follows.value) this.unseen.value += lines.length;
    if (this.typed.length > 0) this.findEchoes(lines);
    if (announces.value) this.say(lines);
  }

  private findEchoes(lines: readonly Line[]): void {
    const now = Date.now();
    this.typed = this.typed.filter((typed) => {
      const echo = lines.find((line) => line.by === null && toPlain(line.text).trimEnd().endsWith(typed.command));
      if (echo !== undefined) this.log.mark(echo, "you");
      return echo === undefined && typed.until > now;
    });
  }

  private say(lines: readonly Line[]): void {
    this.toSay.push(...lines.map((line) => toPlain(line.text)));
    this.saying ??= setTimeout(() => {
      this.saying = undefined;
      const left = this.toSay.length - 5;
      this.spoken.value = [...(left > 0 ? [toCount(left, "more line")] : []), ...this.toSay.slice(-5)].join("\n");
      this.toSay = [];
    }, 1500);
  }

  private async read(query: Record<string, string | number>): Promise<Incoming[]> {
    const { lines } = await call<{ lines: LogLine[] }>("GET", `${toPath(this.model.id)}/logs`, { query });
    const last = lines[lines.length - 1];
    // The stream tells of the unfinished line too, but may have done so before this page listened.
    if (last?.partial === true && this.log.lines.partial === null) this.log.lines.draw(last);
    return lines.filter((each) => each.partial !== true);
  }

  async loadFirst(): Promise<void> {
    if (this.loading.value || !may("GET /containers/:id/logs")) return;
    this.loading.value = true;
    try {
      const found = await this.read({ lines: FIRST });
      this.log.lines.add(found);
      // One of those that were asked for may be the unfinished line.
      if (found.length < FIRST - 1) this.log.lines.complete = true;
      [this.loaded, this.problem.value] = [true, null];
      this.log.draw();
    } catch (error) {
      this.problem.value = toMessage(error);
    } finally {
      this.loading.value = false;
    }
  }

  async loadOlder(): Promise<boolean> {
    const { lines } = this.log;
    if (!this.loaded || this.loading.value || lines.complete || lines.rows.length > 90_000 || lines.first <= 1) return false;
    this.loading.value = true;
    try {
      const found = await this.older(lines.first);
      if (found.length === 0) lines.complete = true;
      lines.add(found);
      this.log.draw();
      return found.length > 0;
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 429)) toast(toMessage(error), "error");
      return false;
    } finally {
      setTimeout(() => { this.loading.value = false; }, 100);
    }
  }

  /** Read lines before a number. The route selects by time, so what it returns can overlap with what is known. */
  private async older(number: number): Promise<Incoming[]> {
    let at: number | null = null;
    for (const line of this.log.lines.all()) {
      at = line.at;
      break;
    }
    const before = (found: readonly Incoming[]): Incoming[] => found.filter((each) => each.line < number);
    if (at === null) return before(await this.read({ lines: MOST }));
    for (const [count, until] of [[OLDER, at + SLACK], [MOST, at + SLACK], [OLDER, at]] as const) {
      const found = await this.read({ lines: count, until: until.toFixed(3) });
      const wanted = before(found);
      if (wanted.length > 0 || found.length < count - 1) return wanted;
    }
    return [];
  }

  private async fillGap(from: number, to: number, after: Line | null): Promise<void> {
    const count = Math.min(MOST, to - from + 1 + OLDER);
    try {
      const found = await this.read(after?.at == null ? { lines: MOST } : { lines: count, until: (after.at + SLACK).toFixed(3) });
      const inside = found.filter((each) => each.line >= from && each.line <= to);
      if (inside.length === 0) toast("The daemon no longer has these lines.");
      this.log.lines.add(inside);
      this.log.draw();
    } catch (error) {
      toast(toMessage(error), "error");
    }
  }
}

export function Console({ model, hidden }: { model: ServerModel; hidden: boolean }): VNode {
  const host = useRef<HTMLDivElement>(null);
  const feed = useSignal<Feed | null>(null);
  const reads = may("GET /containers/:id/logs");
  useEffect(() => {
    if (host.current === null || !reads) return;
    const made = new Feed(host.current, model);
    feed.value = made;
    return () => { made.close(); };
  }, [model]);
  useEffect(() => { feed.value?.log.relayout(); }, [showsTimes.value]);
  const shown = feed.value;
  const state = model.container.value?.state;
  return html`<section class="console" hidden=${hidden} aria-label="Console">
    ${shown === null ? null : html`<${Tools} feed=${shown} model=${model} />`}
    <div class="log-frame">
      ${shown?.problem.value == null ? null : html`<${Problem} text=${shown.problem.value} retry=${() => { void shown.loadFirst(); }} />`}
      ${reads
        ? html`<div ref=${host} class=${showsTimes.value ? "log times" : "log"} role="log" aria-live="off" aria-label="Lines of the console" tabindex="0"></div>`
        : html`<p class="empty">This token may send commands, but not read the console.</p>`}
      ${shown === null || shown.follows.value ? null : html`<div class="jump"><${Button} icon="down" tone="primary"
        onClick=${() => { shown.log.setFollows(true); }}>${shown.unseen.value === 0 ? "Newest lines" : toCount(shown.unseen.value, "new line")}<//></div>`}
    </div>
    <div class="offscreen" aria-live="polite" aria-atomic="true">${announces.value ? shown?.spoken.value : ""}</div>
    ${may("POST /containers/:id/command") ? html`<${CommandBox} feed=${shown} model=${model} off=${state === "offline"} />` : null}
  </section>`;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function Tools({ feed, model }: { feed: Feed; model: ServerModel }): VNode {
  const [text, setText] = useState("");
  const [missing, setMissing] = useState(false);
  const [results, setResults] = useState<string | null>(null);
  useEffect(() => {
    setMissing(false);
    feed.log.highlight(text === "" ? null : new RegExp(escaped(text), "gi"));
  }, [feed, text]);
  const find = (step: 1 | -1): void => { setMissing(!feed.log.find(step)); };
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Enter") {
      event.preventDefault();
      find(event.shiftKey ? 1 : -1);
    } else if (event.key === "Escape") setText("");
  };
  const store = (name: string, value: boolean): void => { localStorage.setItem(name, value ? "yes" : "no"); };
  const toggleTimes = (): void => { showsTimes.value = !showsTimes.value; store("lightd.times", showsTimes.value); };
  const announce = (): void => { announces.value = !announces.value; store("lightd.announce", announces.value); };
  const copyAll = async (): Promise<void> => {
    toast((await copy(feed.log.toText(1000))) ? "The last lines were copied (at most 1,000)." : "The browser did not allow to copy.");
  };
  return html`<div class="tools" role="toolbar" aria-label="Console tools">
    <div class=${missing ? "search missing" : "search"} role="search">
      <input type="search" aria-label="Find in the console" placeholder="Find" value=${text} spellcheck=${false} autocomplete="off"
        onInput=${(event: InputEvent) => { setText((event.target as HTMLInputElement).value); }} onKeyDown=${keys} />
      <${Button} icon="up" label="Find the line before" tone="plain" off=${text === ""} onClick=${() => { find(-1); }} />
      <${Button} icon="down" label="Find the next line" tone="plain" off=${text === ""} onClick=${() => { find(1); }} />
      <${Button} icon="search" label="Search all lines of the daemon" tone="plain" off=${text === ""} onClick=${() => { setResults(text); }} />
    </div>
    <span class="found" role="status">${missing ? "no other line" : ""}</span>
    <span class="fill"></span>
    <${Button} icon="clock" label="Show times" tone="plain" pressed=${showsTimes.value} onClick=${toggleTimes} />
    <${Button} icon="pause" label="Pause" tone="plain" pressed=${!feed.follows.value} onClick=${() => { feed.log.setFollows(!feed.follows.value); }} />
    <${Button} icon=${announces.value ? "sound" : "mute"} label="Read new lines aloud with a screen reader" tone="plain" pressed=${announces.value} onClick=${announce} />
    <${Button} icon="copy" label="Copy the last lines" tone="plain" onClick=${() => { void copyAll(); }} />
  </div>
  ${results === null ? null : html`<${Results} feed=${feed} model=${model} text=${results} onClose=${() => { setResults(null); }} />`}`;
}

function Results({ feed, model, text, onClose }: { feed: Feed; model: ServerModel; text: string; onClose: () => void }): VNode {
  const [found, setFound] = useState<readonly LogLine[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    const query = { lines: 500, grep: `(?i)${text.replace(/[^\w\s]/g, "\\$&")}` };
    call<{ lines: LogLine[] }>("GET", `${toPath(model.id)}/logs`, { query }).then(
      ({ lines }) => { setFound([...lines].reverse()); },
      (error: unknown) => { setProblem(toMessage(error)); },
    );
  }, [text]);
  const show = async (number: number): Promise<void> => {
    onClose();
    for (;;) {
      const line = feed.log.byNumber(number);
      if (line !== null) {
        feed.log.goTo(line);
        return;
      }
      if (number > feed.log.lines.first || !(await feed.loadOlder())) break;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    toast("This line could not be loaded.");
  };
  return html`<${Dialog} title=${`Lines with “${text}”`} onClose=${onClose} wide>
    ${problem === null ? null : html`<${Problem} text=${problem} />`}
    ${found === null ? (problem === null ? html`<${Loading} what="the lines" />` : null) : null}
    ${found?.length === 0 ? html`<p class="empty">No line has it.</p>` : null}
    <ol class="results">${found?.map((each) => html`<li key=${each.line}><button type="button" onClick=${() => { void show(each.line); }}>
      <span class="muted">${each.at === null ? `line ${String(each.line)}` : toMoment(each.at)}</span> <bdi>${toPlain(each.text)}</bdi></button></li>`)}</ol>
  <//>`;
}

function readHistory(id: string): string[] {
  try {
    const read: unknown = JSON.parse(sessionStorage.getItem(`lightd.commands.${id}`) ?? "[]");
    return Array.isArray(read) ? read.filter((each) => typeof each === "string") : [];
  } catch {
    return [];
  }
}

function CommandBox({ feed, model, off }: { feed: Feed | null; model: ServerModel; off: boolean }): VNode {
  const input = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const past = useRef<string[]>(readHistory(model.id));
  const at = useRef(past.current.length);
  const draft = useRef("");
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    const box = input.current;
    if (box === null) return;
    const text = box.value;
    box.value = "";
    if (text.trim() !== "" && past.current[past.current.length - 1] !== text) past.current = [...past.current, text].slice(-200);
    at.current = past.current.length;
    sessionStorage.setItem(`lightd.commands.${model.id}`, JSON.stringify(past.current));
    const failed = feed === null ? await sendAlone(model.id, text) : await feed.command(text);
    setProblem(failed);
    if (failed !== null && box.value === "") box.value = text;
  };
  const keys = (event: KeyboardEvent): void => {
    const box = input.current;
    if (box === null || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    if (at.current === past.current.length) draft.current = box.value;
    at.current = Math.min(past.current.length, Math.max(0, at.current + (event.key === "ArrowUp" ? -1 : 1)));
    box.value = past.current[at.current] ?? draft.current;
  };
  return html`<form class="command" onSubmit=${(event: Event) => { void send(event); }}>
    <label class="prompt" for="command" aria-hidden="true">›</label>
    <input id="command" ref=${input} aria-label="Command" autocomplete="off" autocapitalize="off" spellcheck=${false} maxlength="4094" enterkeyhint="send"
      placeholder=${off ? "The server is offline" : "Type a command"} onKeyDown=${keys} aria-describedby="command-problem" />
    <${Button} type="submit" icon="send" label="Send" tone="primary" />
    <p id="command-problem" class="error" role="alert">${problem ?? ""}</p>
  </form>`;
}

async function sendAlone(id: string, command: string): Promise<string | null> {
  try {
    await call("POST", `${toPath(id)}/command`, { body: { command } });
    return null;
  } catch (error) {
    return toMessage(error);
  }
}
