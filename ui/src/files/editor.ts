/** The editor of one text file. It is written only if nobody else has changed the file since it was read. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { VNode } from "preact";

import { ApiError, send, toMessage } from "../lib/api";
import { html } from "../lib/html";
import { setGuard } from "../lib/nav";
import { may } from "../lib/session";
import { theme } from "../lib/theme";
import { toast } from "../lib/toast";
import { Button, Dialog, Loading, Problem } from "../views/kit";
import { createEditor, createMerge, type Editing, type Merging } from "./codemirror";
import { download } from "./download";
import { base, toCrumbs, toShown } from "./names";

interface EditorProps {
  readonly volume: string;
  readonly path: string;
  readonly onClose: () => void;
}

interface Read {
  readonly text: string;
  readonly etag: string | null;
  readonly crlf: boolean;
}

class NotText extends Error {}

async function read(volume: string, path: string): Promise<Read> {
  const response = await send("GET", `/volumes/${volume}/files/content`, { query: { path } });
  const bytes = await response.arrayBuffer();
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new NotText("This file is not a text in UTF-8.");
  }
  if (text.includes("\0")) throw new NotText("This file is not a text.");
  const crlf = text.includes("\r\n");
  return { text: crlf ? text.replace(/\r\n/g, "\n") : text, etag: response.headers.get("ETag"), crlf };
}

export function Editor({ volume, path, onClose }: EditorProps): VNode {
  const host = useRef<HTMLDivElement>(null);
  const editing = useRef<Editing | null>(null);
  const [file, setFile] = useState<Read | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [binary, setBinary] = useState(false);
  const [dirty, setDirty] = useState(false);
  const [busy, setBusy] = useState(false);
  const [theirs, setTheirs] = useState<Read | null>(null);
  const writes = may("PUT /volumes/:id/files/content");
  const dark = theme.value === "dark";
  const save = useRef<() => void>(() => undefined);

  useEffect(() => {
    let wanted = true;
    read(volume, path).then(
      (found) => { if (wanted) setFile(found); },
      (error: unknown) => {
        if (!wanted) return;
        setProblem(toMessage(error));
        setBinary(error instanceof NotText);
      },
    );
    return () => { wanted = false; };
  }, [volume, path]);
  useEffect(() => {
    if (host.current === null || file === null || editing.current !== null) return;
    const made = createEditor(host.current, {
      text: file.text,
      name: base(path),
      dark,
      writable: writes,
      label: `Contents of ${toShown(path)}`,
      changed: setDirty,
      save: () => { save.current(); },
    });
    editing.current = made;
    return () => {
      made.destroy();
      editing.current = null;
    };
  }, [file === null]);
  useEffect(() => { editing.current?.setDark(dark); }, [dark]);
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent): void => { event.preventDefault(); };
    if (dirty) addEventListener("beforeunload", warn);
    // A page must not be left by a stray link; the browser's own question is the only synchronous one.
    setGuard(dirty ? () => window.confirm("Leave without saving?") : null);
    return () => {
      removeEventListener("beforeunload", warn);
      setGuard(null);
    };
  }, [dirty]);

  const write = async (text: string, etag: string | null): Promise<void> => {
    setBusy(true);
    try {
      const raw = file?.crlf === true ? text.replace(/\n/g, "\r\n") : text;
      const response = await send("PUT", `/volumes/${volume}/files/content`, { query: { path }, raw, headers: etag === null ? {} : { "If-Match": etag } });
      const answer = (await response.json()) as { etag: string };
      setFile({ text, etag: answer.etag, crlf: file?.crlf ?? false });
      editing.current?.saved(text);
      setTheirs(null);
      setProblem(null);
      toast("Saved.");
    } catch (error) {
      if (error instanceof ApiError && error.status === 412) await compare();
      else setProblem(toMessage(error));
    } finally {
      setBusy(false);
    }
  };
  const compare = async (): Promise<void> => {
    try {
      setTheirs(await read(volume, path));
    } catch (error) {
      const gone = error instanceof ApiError && error.status === 404;
      if (gone) setTheirs({ text: "", etag: null, crlf: false });
      setProblem(gone ? "The file was deleted by somebody else." : toMessage(error));
    }
  };
  save.current = () => {
    const text = editing.current?.text();
    if (text !== undefined && file !== null && !busy && writes) void write(text, file.etag);
  };
  return html`<div class="editor">
    <div class="files-head">
      <${Button} icon="close" label="Close the file" tone="plain" onClick=${onClose} />
      <h2>${toCrumbs(path).map((crumb) => toShown(crumb.name)).join(" / ")}</h2>
      <span class="muted" role="status">${dirty ? "not saved" : ""}</span><span class="fill"></span>
      <${Button} icon="download" label="Download" onClick=${() => { download(volume, path, toShown(base(path)), 0).catch((error: unknown) => { toast(toMessage(error), "error"); }); }} />
      ${writes ? html`<${Button} tone="primary" off=${!dirty || busy} onClick=${() => { save.current(); }} title="Ctrl+S">Save<//>` : null}
    </div>
    ${problem === null ? null : html`<${Problem} text=${binary ? `${problem} It can be downloaded.` : problem} />`}
    ${file === null && problem === null ? html`<${Loading} what="the file" />` : null}
    <div ref=${host} class="code" hidden=${file === null}></div>
    ${theirs === null ? null : html`<${Conflict} mine=${editing.current?.text() ?? ""} theirs=${theirs} dark=${dark} name=${base(path)}
      onClose=${() => { setTheirs(null); }}
      onTake=${() => {
        setFile(theirs);
        editing.current?.replace(theirs.text);
        editing.current?.saved(theirs.text);
        setTheirs(null);
      }}
      onSave=${(text: string) => {
        editing.current?.replace(text);
        void write(text, theirs.etag);
      }} />`}
  </div>`;
}

interface ConflictProps {
  readonly mine: string;
  readonly theirs: Read;
  readonly dark: boolean;
  readonly name: string;
  readonly onClose: () => void;
  readonly onTake: () => void;
  readonly onSave: (text: string) => void;
}

/** Somebody else changed the file: both texts, and what to do. */
function Conflict({ mine, theirs, dark, name, onClose, onTake, onSave }: ConflictProps): VNode {
  const host = useRef<HTMLDivElement>(null);
  const merging = useRef<Merging | null>(null);
  useEffect(() => {
    if (host.current === null) return;
    const made = createMerge(host.current, { mine, theirs: theirs.text, dark, name });
    merging.current = made;
    return () => { made.destroy(); };
  }, []);
  return html`<${Dialog} title="Somebody else has changed this file" onClose=${onClose} wide>
    <div class="body conflict">
      <div class="sides"><h3>In the volume now</h3><h3>Yours, to be saved</h3></div>
      <div ref=${host} class="merge"></div>
      <footer><${Button} onClick=${onClose}>Go on editing<//><${Button} onClick=${onTake}>Take the one in the volume<//>
        <${Button} tone="danger" onClick=${() => { onSave(merging.current?.text() ?? mine); }}>Save yours<//></footer>
    </div>
  <//>`;
}
