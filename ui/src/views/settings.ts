import { useEffect, useState } from "preact/hooks";
import type { VNode } from "preact";

import { toPlain } from "../console/ansi";
import { ApiError, call, container as toPath, toMessage } from "../lib/api";
import { html } from "../lib/html";
import { go, path } from "../lib/nav";
import { BadField, toDraft, toPatch, type Draft } from "../lib/patch";
import { may } from "../lib/session";
import { toast } from "../lib/toast";
import type { Accepted, LogLine } from "../lib/types";
import { Button, confirm, Dialog, Field, Loading, Problem } from "./kit";
import type { ServerModel } from "./server-model";
import { Variables } from "./variables";

export const value = (event: Event): string => (event.target as HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement).value;

export function SettingsPart({ model }: { model: ServerModel }): VNode {
  return html`<${Variables} model=${model} />${may("PATCH /containers/:id") ? html`<${Settings} model=${model} />` : null}`;
}

function Settings({ model }: { model: ServerModel }): VNode | null {
  const row = model.container.value;
  const [before, setBefore] = useState<Draft | null>(row === null ? null : toDraft(row));
  const [draft, setDraft] = useState<Draft | null>(before);
  const [error, setError] = useState<{ readonly field: string; readonly text: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const version = row?.version;
  const dirty = draft !== null && before !== null && JSON.stringify(draft) !== JSON.stringify(before);
  useEffect(() => {
    if (row === null || dirty) return;
    setBefore(toDraft(row));
    setDraft(toDraft(row));
  }, [version]);
  if (row === null || draft === null || before === null) return null;
  const set = (field: keyof Draft) => (event: Event): void => { setDraft({ ...draft, [field]: value(event) }); };
  const problem = (field: keyof Draft): string | null => (error?.field === field ? error.text : null);
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    setError(null);
    let patch: Record<string, unknown>;
    try {
      patch = toPatch(before, draft);
    } catch (failed) {
      if (failed instanceof BadField) setError({ field: failed.field, text: failed.message });
      return;
    }
    setBusy(true);
    try {
      const answer = await call<{ applied: string[]; at_next_start: string[] }>("PATCH", toPath(model.id), { body: patch });
      const later = answer.at_next_start.length > 0 ? ` At the next start: ${answer.at_next_start.join(", ")}.` : "";
      const now = answer.applied.length > 0 ? ` In effect now: ${answer.applied.join(", ")}.` : "";
      toast(`Saved.${now}${later}`);
      setBefore(draft);
      await model.read();
    } catch (failed) {
      setError({ field: "", text: toMessage(failed) });
    } finally {
      setBusy(false);
    }
  };
  const input = (field: keyof Draft, label: string, help?: string, kind: Record<string, unknown> = {}): VNode =>
    html`<${Field} label=${label} help=${help} error=${problem(field)}><input name=${field} value=${draft[field]} onInput=${set(field)} spellcheck=${false} autocomplete="off" ...${kind} /><//>`;
  const area = (field: keyof Draft, label: string, help: string, rows: number): VNode =>
    html`<${Field} label=${label} help=${help} error=${problem(field)} wide><textarea name=${field} rows=${rows} value=${draft[field]} onInput=${set(field)} spellcheck=${false}></textarea><//>`;
  const choice = (field: keyof Draft, label: string, options: readonly (readonly [string, string])[]): VNode =>
    html`<${Field} label=${label} error=${problem(field)}><select name=${field} value=${draft[field]} onChange=${set(field)}>${options.map(([key, name]) => html`<option key=${key} value=${key}>${name}</option>`)}</select><//>`;
  return html`<form class="form" onSubmit=${(event: Event) => { void save(event); }}>
      <h2>Settings</h2>
      ${error?.field === "" ? html`<div class="wide"><${Problem} text=${error.text} /></div>` : null}
      ${input("display_name", "Name", "For people; the id does not change.")}
      ${input("image", "Image", "Used from the next start on.")}
      ${choice("pull", "Pull the image", [["missing", "if it is missing"], ["always", "always"], ["never", "never"]])}
      ${area("startup_command", "Startup command", "A shell command, run in /home/container. At the next start.", 2)}
      ${input("start_pattern", "Ready when a line matches", "An RE2 expression; empty: ready at once.")}
      ${input("memory", "Memory", "For example 512 MiB or 2 GiB; empty: no limit.")}
      ${input("cpu", "Cores", "For example 1.5; empty: no limit.", { inputmode: "decimal" })}
      ${input("pids", "Processes and threads", "Empty: no limit.", { inputmode: "numeric" })}
      ${choice("stop_type", "Stop with", [["signal", "a signal"], ["command", "a command on the console"]])}
      ${input("stop_value", draft.stop_type === "signal" ? "Signal" : "Command")}
      ${input("stop_timeout", "Kill after seconds", undefined, { inputmode: "numeric" })}
      ${choice("restart_mode", "Start again after a crash", [["never", "never"], ["on-crash", "unless it ended with code 0"], ["always", "always"]])}
      ${input("restart_max", "At most this many restarts", undefined, { inputmode: "numeric" })}
      ${input("restart_within", "within seconds", undefined, { inputmode: "numeric" })}
      ${area("environment", "Environment", "One NAME=value a line. At the next start.", 6)}
      ${area("labels", "Labels", "One name=value a line, to find servers by.", 3)}
      <footer><${Button} type="submit" tone="primary" off=${!dirty || busy}>Save<//>
        <${Button} off=${!dirty || busy} onClick=${() => { setDraft(before); setError(null); }}>Discard<//></footer>
    </form>
    <${More} model=${model} />`;
}

function More({ model }: { model: ServerModel }): VNode {
  const [dialog, setDialog] = useState<"reinstall" | "log" | null>(null);
  const row = model.container.value;
  const remove = async (): Promise<void> => {
    const text = "The server is stopped, its container is removed and its ports are free. The files of its volume stay.";
    if (!(await confirm(`Delete ${model.id}?`, text, "Delete", model.id))) return;
    try {
      await call("DELETE", toPath(model.id), { query: { wait: 60 } });
      toast(`${model.id} was deleted.`);
      go(path());
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) go(path());
      else toast(toMessage(error), "error");
    }
  };
  const revive = async (): Promise<void> => {
    try {
      await call("POST", `${toPath(model.id)}/revive`);
      await model.read();
    } catch (error) {
      toast(toMessage(error), "error");
    }
  };
  return html`<section class="more"><h2>More</h2><p class="actions">
      ${may("GET /containers/:id/install-log") ? html`<${Button} onClick=${() => { setDialog("log"); }}>Install log …<//>` : null}
      ${may("POST /containers/:id/reinstall") ? html`<${Button} onClick=${() => { setDialog("reinstall"); }}>Install again …<//>` : null}
      ${row?.quarantined === true && may("POST /containers/:id/revive") ? html`<${Button} onClick=${() => { void revive(); }}>Take out of quarantine<//>` : null}
      ${may("DELETE /containers/:id") ? html`<${Button} icon="trash" tone="danger" onClick=${() => { void remove(); }}>Delete …<//>` : null}
    </p></section>
    ${dialog === "log" ? html`<${InstallLog} model=${model} onClose=${() => { setDialog(null); }} />` : null}
    ${dialog === "reinstall" ? html`<${Reinstall} model=${model} onClose=${() => { setDialog(null); }} />` : null}`;
}

interface InstallLogAnswer {
  readonly status: string;
  readonly exit_code: number | null;
  readonly error: string | null;
  readonly left_out: number;
  readonly lines: readonly LogLine[];
}

function InstallLog({ model, onClose }: { model: ServerModel; onClose: () => void }): VNode {
  const [text, setText] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    call<InstallLogAnswer>("GET", `${toPath(model.id)}/install-log`).then(
      (found) => {
        const end = found.error ?? (found.exit_code === null ? found.status : `${found.status}, exit code ${String(found.exit_code)}`);
        const before = found.left_out > 0 ? [`[${String(found.left_out)} older lines are not kept]`] : [];
        setText([...before, ...found.lines.map((line) => toPlain(line.text)), `[${end}]`].join("\n"));
      },
      (error: unknown) => { setProblem(toMessage(error)); },
    );
  }, [model]);
  return html`<${Dialog} title="Install log" onClose=${onClose} wide><div class="body">
    ${problem === null ? null : html`<${Problem} text=${problem} />`}
    ${text === null ? (problem === null ? html`<${Loading} what="the log" />` : null) : html`<pre class="log-text" tabindex="0">${text}</pre>`}
  </div><//>`;
}

function Reinstall({ model, onClose }: { model: ServerModel; onClose: () => void }): VNode {
  const row = model.container.value;
  const [image, setImage] = useState(row?.image ?? "");
  const [script, setScript] = useState(row?.install_script ?? "");
  const [runs, setRuns] = useState(true);
  const [pull, setPull] = useState(false);
  const submit = (event: Event): void => {
    event.preventDefault();
    onClose();
    const body: Record<string, unknown> = { run_script: runs };
    if (image !== row?.image) body["image"] = image;
    if (script !== (row?.install_script ?? "")) body["install_script"] = script;
    if (pull) body["pull"] = "always";
    void model.run("reinstall", () => call<Accepted>("POST", `${toPath(model.id)}/reinstall`, { body }));
  };
  return html`<${Dialog} title="Install again" onClose=${onClose} wide><form onSubmit=${submit}>
    <p>The server is stopped, the install script runs in a new container, and the files of the volume stay.</p>
    <${Field} label="Image"><input value=${image} required spellcheck=${false} onInput=${(event: Event) => { setImage(value(event)); }} /><//>
    <p><label><input type="checkbox" checked=${pull} onChange=${() => { setPull(!pull); }} /> Pull the image also if it is there</label></p>
    <p><label><input type="checkbox" checked=${runs} onChange=${() => { setRuns(!runs); }} /> Run the install script</label></p>
    <${Field} label="Install script"><textarea rows="8" value=${script} spellcheck=${false} onInput=${(event: Event) => { setScript(value(event)); }}></textarea><//>
    <footer><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" tone="danger">Install again<//></footer>
  </form><//>`;
}
