import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import type { VNode } from "preact";

import { ApiError, call, toMessage } from "../lib/api";
import { toBytes, toCount } from "../lib/format";
import { html } from "../lib/html";
import { go, path as toPage, route } from "../lib/nav";
import { may } from "../lib/session";
import { toast } from "../lib/toast";
import { Button, confirm, Icon, Loading, Meter, Problem } from "../views/kit";
import { Lazy } from "../views/lazy";
import type { ServerModel } from "../views/server-model";
import { ChmodDialog, MoveDialog, NameDialog, PackDialog } from "./dialogs";
import { download } from "./download";
import { readDrop, type Dropped } from "./dropped";
import { JobList, Jobs } from "./jobs";
import { FileList } from "./list";
import { base, isArchive, join, parent, toCrumbs, toShown } from "./names";
import { SftpDialog } from "./sftp";
import type { Entry, Quota } from "./types";
import { arrivals, start } from "./uploads";
import { UploadList } from "./upload-list";

const PAGE = 10_000;

type Open =
  | { readonly kind: "folder" }
  | { readonly kind: "sftp" }
  | { readonly kind: "file" }
  | { readonly kind: "rename" | "move" | "copy" | "chmod"; readonly entries: readonly Entry[] }
  | { readonly kind: "pack"; readonly entries: readonly Entry[] };

export const MOST_EDITED = 2 * 1024 * 1024;

export function FilesPart({ model }: { model: ServerModel }): VNode {
  const shown = route.value;
  const query = shown.page === "server" ? shown.query : new URLSearchParams();
  const volume = model.container.value?.volume_id ?? "";
  const file = query.get("file");
  if (file !== null) {
    const close = (): void => { go(toFolder(model.id, parent(file))); };
    return html`<${Lazy} key=${file} what="the editor" load=${() => import("./editor").then((module) => module.Editor)}
      props=${{ volume, path: file, onClose: close }} />`;
  }
  return html`<${Folder} key=${volume} model=${model} volume=${volume} path=${query.get("path") ?? ""} />`;
}

export function toFolder(id: string, path: string): string {
  return `${toPage("c", id, "files")}${path === "" ? "" : `?${new URLSearchParams({ path }).toString()}`}`;
}

export function toEditor(id: string, path: string): string {
  return `${toPage("c", id, "files")}?${new URLSearchParams({ file: path }).toString()}`;
}

const quota = signal<Quota | null>(null);

function Folder({ model, volume, path }: { model: ServerModel; volume: string; path: string }): VNode {
  const [entries, setEntries] = useState<readonly Entry[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [text, setText] = useState("");
  const [open, setOpen] = useState<Open | null>(null);
  const [over, setOver] = useState(false);
  const [turn, setTurn] = useState(0);
  const chooser = useRef<HTMLInputElement>(null);
  const jobs = useMemo(() => new Jobs(volume), [volume]);
  const writes = may("PUT /volumes/:id/files/content");
  const again = (): void => { setTurn((now) => now + 1); };
  const done = jobs.ended.value + arrivals.value;
  useEffect(() => { jobs.start(); return () => { jobs.stop(); }; }, [jobs]);
  useEffect(() => {
    setEntries(null);
    setPicked(new Set());
    setText("");
  }, [path]);
  useEffect(() => {
    const abort = new AbortController();
    void readFolder(volume, path, abort.signal, setEntries).then(
      () => { setProblem(null); },
      (error: unknown) => { if (!abort.signal.aborted) setProblem(toMessage(error)); },
    );
    call<Quota>("GET", `/volumes/${volume}/quota`, { signal: abort.signal }).then(
      (found) => { quota.value = found; },
      () => { /* The list is of use without it. */ },
    );
    return () => { abort.abort(); };
  }, [volume, path, turn, done]);
  const visible = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    return entries === null ? [] : wanted === "" ? entries : entries.filter((entry) => toShown(entry.name).toLowerCase().includes(wanted));
  }, [entries, text]);
  const chosen = useMemo(() => visible.filter((entry) => picked.has(entry.name)), [visible, picked]);

  const act = async (work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work();
      again();
      return true;
    } catch (error) {
      toast(toMessage(error), "error");
      return false;
    }
  };
  const openEntry = (entry: Entry): void => {
    const target = join(path, entry.name);
    if (entry.type === "directory") go(toFolder(model.id, target));
    else if (entry.type === "symlink") void follow(target);
    else if (entry.type === "file" && entry.size <= MOST_EDITED && !isArchive(entry.name)) go(toEditor(model.id, target));
    else if (entry.type === "file") void act(() => download(volume, target, toShown(entry.name), entry.size));
  };
  const follow = async (target: string): Promise<void> => {
    try {
      await call("GET", `/volumes/${volume}/files`, { query: { path: target, limit: 1 } });
      go(toFolder(model.id, target));
    } catch (error) {
      if (error instanceof ApiError && error.code === "wrong_kind") go(toEditor(model.id, target));
      else toast(toMessage(error), "error");
    }
  };
  const remove = async (some: readonly Entry[]): Promise<void> => {
    if (some.length === 0) return;
    const names = some.slice(0, 8).map((entry) => toShown(entry.name)).join(", ") + (some.length > 8 ? " …" : "");
    if (!(await confirm(`Delete ${toCount(some.length, "entry", "entries")}?`, names, "Delete"))) return;
    for (let at = 0; at < some.length; at += 500) {
      const paths = some.slice(at, at + 500).map((entry) => join(path, entry.name));
      if (!(await act(() => call("DELETE", `/volumes/${volume}/files`, { body: { paths } })))) return;
    }
    setPicked(new Set());
  };
  const send = async (dropped: readonly Dropped[]): Promise<void> => {
    const known = new Set((entries ?? []).map((entry) => entry.name));
    const clash = dropped.filter(({ file, folder }) => folder === "" && known.has(file.name));
    const replace = clash.length > 0 && (await confirm(`Replace ${toCount(clash.length, "file")}?`, clash.slice(0, 8).map(({ file }) => file.name).join(", "), "Replace"));
    const folders = [...new Set(dropped.map(({ folder }) => folder))].filter((folder) => folder !== "");
    for (const folder of folders) {
      if (!(await act(() => call("POST", `/volumes/${volume}/folders`, { body: { path: join(path, folder) } })))) return;
    }
    for (const { file, folder } of dropped) {
      const clashes = folder === "" && known.has(file.name);
      if (!clashes || replace) start(volume, folder === "" ? path : join(path, folder), file, file.name, clashes);
    }
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer === null || !writes) return;
    readDrop(event.dataTransfer).then(send, (error: unknown) => { toast(toMessage(error), "error"); });
  };
  const drag = (event: DragEvent): void => {
    if (!writes || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    setOver(true);
  };
  const only = chosen.length === 1 ? chosen[0] : undefined;
  const none = chosen.length === 0;
  const unpack = (entry: Entry): void => {
    void act(() => call("POST", `/volumes/${volume}/decompress`, { query: { wait: 0 }, body: { archive_path: join(path, entry.name), destination: path } })).then(() => { jobs.hurry(); });
  };
  return html`<div class=${over ? "files over" : "files"} onDragOver=${drag} onDragLeave=${(event: DragEvent) => { if (event.currentTarget === event.target) setOver(false); }} onDrop=${drop}>
    <div class="files-head">
      <nav class="crumbs" aria-label="Folder"><a href=${toFolder(model.id, "")} aria-label="The volume"><${Icon} name="folder" /></a>
        ${toCrumbs(path).map((crumb) => html`<span key=${crumb.path}>/ <a href=${toFolder(model.id, crumb.path)}>${toShown(crumb.name)}</a></span>`)}</nav>
      <span class="fill"></span><${QuotaBar} />
    </div>
    <div class="files-tools" role="toolbar" aria-label="Files">
      ${writes ? html`<${Button} icon="upload" tone="primary" onClick=${() => { chooser.current?.click(); }}>Upload<//>
        <input ref=${chooser} type="file" multiple hidden aria-label="Files to upload" onChange=${(event: Event) => {
          const input = event.target as HTMLInputElement;
          void send([...(input.files ?? [])].map((each) => ({ file: each, folder: "" }))).then(() => { input.value = ""; });
        }} />
        <${Button} icon="folder" onClick=${() => { setOpen({ kind: "folder" }); }}>New folder<//>
        <${Button} icon="file" onClick=${() => { setOpen({ kind: "file" }); }}>New file<//>` : null}
      <input type="search" aria-label="Filter by name" placeholder="Filter" value=${text} onInput=${(event: Event) => { setText((event.target as HTMLInputElement).value); }} />
      ${may("GET /containers/:id/sftp") ? html`<${Button} onClick=${() => { setOpen({ kind: "sftp" }); }}>SFTP<//>` : null}
      <${Button} icon="restart" label="Read the folder again" tone="plain" onClick=${again} />
    </div>
    <div class="files-tools" role="toolbar" aria-label="Selected files">
      <span class="count" role="status">${none ? toCount(visible.length, "entry", "entries") : `${String(chosen.length)} selected`}</span>
      <${Button} icon="download" off=${only?.type !== "file"} label="Download" onClick=${() => { if (only !== undefined) void act(() => download(volume, join(path, only.name), toShown(only.name), only.size)); }} />
      ${writes ? html`
        <${Button} icon="edit" off=${only === undefined} label="Rename" onClick=${() => { setOpen({ kind: "rename", entries: chosen }); }} />
        <${Button} off=${none} onClick=${() => { setOpen({ kind: "move", entries: chosen }); }}>Move<//>
        <${Button} off=${only === undefined} onClick=${() => { setOpen({ kind: "copy", entries: chosen }); }}>Copy<//>
        <${Button} off=${none} onClick=${() => { setOpen({ kind: "chmod", entries: chosen }); }}>Permissions<//>
        <${Button} icon="archive" off=${none} onClick=${() => { setOpen({ kind: "pack", entries: chosen }); }}>Pack<//>
        <${Button} off=${only === undefined || !isArchive(only.name)} onClick=${() => { if (only !== undefined) unpack(only); }}>Unpack<//>
        <${Button} icon="trash" tone="danger" off=${none} label="Delete" onClick=${() => { void remove(chosen); }} />` : null}
    </div>
    ${problem === null ? null : html`<${Problem} text=${problem} retry=${again} />`}
    ${entries === null
      ? problem === null ? html`<${Loading} what="the folder" />` : null
      : html`<${FileList} entries=${visible} picked=${picked} onPick=${setPicked} onOpen=${openEntry} onDelete=${() => { if (writes) void remove(chosen); }}
          onUp=${path === "" ? null : () => { go(toFolder(model.id, parent(path))); }} />`}
    <${JobList} jobs=${jobs} /><${UploadList} />
    ${open === null ? null : html`<${Opened} open=${open} id=${model.id} volume=${volume} path=${path} act=${act}
      onClose=${() => { setOpen(null); }} onJob=${() => { jobs.hurry(); }} onCreated=${(name: string) => { go(toEditor(model.id, join(path, name))); }} />`}
  </div>`;
}

async function readFolder(volume: string, path: string, signal: AbortSignal, show: (entries: readonly Entry[]) => void): Promise<void> {
  const all: Entry[] = [];
  let cursor: string | undefined;
  do {
    const query = { path, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) };
    const page: { files: Entry[]; next: string | null } = await call("GET", `/volumes/${volume}/files`, { query, signal });
    all.push(...page.files);
    show([...all]);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
}

function QuotaBar(): VNode | null {
  const now = quota.value;
  if (now?.used_mb == null) return null;
  const used = now.used_mb * 1024 * 1024;
  if (now.size_mb === null) return html`<span class="quota muted">${toBytes(used)} used</span>`;
  const size = now.size_mb * 1024 * 1024;
  return html`<span class="quota"><${Meter} value=${used} most=${size} label="Used space of the volume" /> ${toBytes(used)} of ${toBytes(size)}</span>`;
}

interface OpenedProps {
  readonly open: Open;
  readonly id: string;
  readonly volume: string;
  readonly path: string;
  readonly act: (work: () => Promise<unknown>) => Promise<boolean>;
  readonly onClose: () => void;
  readonly onJob: () => void;
  readonly onCreated: (name: string) => void;
}

function Opened({ open, id, volume, path, act, onClose, onJob, onCreated }: OpenedProps): VNode {
  const url = `/volumes/${volume}`;
  if (open.kind === "sftp") return html`<${SftpDialog} id=${id} onClose=${onClose} />`;
  const run = async (work: () => Promise<unknown>): Promise<void> => {
    if (await act(work)) onClose();
  };
  if (open.kind === "folder") {
    return html`<${NameDialog} title="New folder" label="Name" action="Create" onClose=${onClose}
      onName=${(name: string) => { void run(() => call("POST", `${url}/folders`, { body: { path: join(path, name) } })); }} />`;
  }
  if (open.kind === "file") {
    const create = async (name: string): Promise<void> => {
      const options = { query: { path: join(path, name) }, raw: "", headers: { "If-None-Match": "*" } };
      if (await act(() => call("PUT", `${url}/files/content`, options))) onCreated(name);
    };
    return html`<${NameDialog} title="New file" label="Name" action="Create" onClose=${onClose} onName=${(name: string) => { void create(name); }} />`;
  }
  const first = open.entries[0];
  const sources = open.entries.map((entry) => join(path, entry.name));
  if (open.kind === "pack") {
    const pack = (name: string, format: string): void => {
      void run(() => call("POST", `${url}/compress`, { query: { wait: 0 }, body: { format, output_name: join(path, name), sources } })).then(onJob);
    };
    return html`<${PackDialog} suggested=${first === undefined ? "archive" : base(first.name).replace(/\..*$/, "") || "archive"} onClose=${onClose} onPack=${pack} />`;
  }
  if (open.kind === "chmod") {
    const change = async (mode: string): Promise<void> => {
      await run(async () => { for (const each of sources) await call("POST", `${url}/chmod`, { body: { path: each, mode } }); });
    };
    return html`<${ChmodDialog} mode=${first?.mode ?? "0644"} count=${sources.length} onClose=${onClose} onMode=${(mode: string) => { void change(mode); }} />`;
  }
  if (open.kind === "move") {
    const move = async (folder: string): Promise<void> => {
      await run(async () => {
        for (const source of sources) await call("POST", `${url}/rename`, { body: { source, destination: join(folder, base(source)) } });
      });
    };
    return html`<${MoveDialog} from=${path} count=${sources.length} onClose=${onClose} onMove=${(folder: string) => { void move(folder); }} />`;
  }
  const source = sources[0] ?? "";
  const name = base(source);
  const isCopy = open.kind === "copy";
  return html`<${NameDialog} title=${isCopy ? "Copy" : "Rename"} label=${isCopy ? "Name of the copy" : "New name"} action=${isCopy ? "Copy" : "Rename"} name=${isCopy ? `${name}.copy` : name} onClose=${onClose}
    onName=${(next: string) => { void run(() => call("POST", `${url}/${isCopy ? "copy" : "rename"}`, { body: { source, destination: join(path, next) } })); }} />`;
}
