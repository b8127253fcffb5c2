import { useEffect, useState } from "preact/hooks";
import type { VNode } from "preact";

import { ApiError, call, toMessage } from "../lib/api";
import { toImageBody, toShared, type Wish, type WishedPort } from "../lib/creation";
import { html } from "../lib/html";
import { go, path } from "../lib/nav";
import { BadField } from "../lib/patch";
import { may } from "../lib/session";
import { toast } from "../lib/toast";
import { Button, Field, Problem } from "./kit";
import { portKey, type PoolPort } from "./network";
import { value } from "./settings";
import { EggFields, readEggs, type Egg } from "./eggs";

const EMPTY: Wish = {
  internal_id: "",
  display_name: "",
  image: "",
  startup_command: "",
  start_pattern: "",
  environment: "",
  labels: "",
  memory: "1 GiB",
  cpu: "",
  pids: "512",
  install_script: "",
  stop_type: "signal",
  stop_value: "",
};

interface VolumeRow {
  readonly volume_id: string;
  readonly quota_mb: number | null;
}

/** One form for a new server: from an egg or an image, with its volume and ports. */
export function CreatePage(): VNode {
  const [wish, setWish] = useState<Wish>(EMPTY);
  const [eggs, setEggs] = useState<readonly Egg[]>([]);
  const [egg, setEgg] = useState<Egg | null>(null);
  const [variables, setVariables] = useState<Readonly<Record<string, string>>>({});
  const [volumes, setVolumes] = useState<readonly VolumeRow[]>([]);
  const [volume, setVolume] = useState("new");
  const [size, setSize] = useState("");
  const [pool, setPool] = useState<readonly PoolPort[]>([]);
  const [ports, setPorts] = useState<readonly WishedPort[]>([]);
  const [error, setError] = useState<{ readonly field: string; readonly text: string } | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    readEggs().then(setEggs, () => { /* A daemon without eggs. */ });
    if (may("GET /network/ports")) call<{ ports: PoolPort[] }>("GET", "/network/ports").then(({ ports: found }) => { setPool(found); }, () => undefined);
    if (may("GET /volumes")) call<{ volumes: VolumeRow[] }>("GET", "/volumes").then(({ volumes: found }) => { setVolumes(found); }, () => undefined);
  }, []);
  const set = (field: keyof Wish) => (event: Event): void => { setWish({ ...wish, [field]: value(event) }); };
  const problem = (field: string): string | null => (error?.field === field ? error.text : null);
  const input = (field: keyof Wish, label: string, help?: string, kind: Record<string, unknown> = {}): VNode =>
    html`<${Field} label=${label} help=${help} error=${problem(field)}><input name=${field} value=${wish[field]} onInput=${set(field)} spellcheck=${false} autocomplete="off" ...${kind} /><//>`;
  const area = (field: keyof Wish, label: string, help: string, rows: number): VNode =>
    html`<${Field} label=${label} help=${help} error=${problem(field)} wide><textarea name=${field} rows=${rows} value=${wish[field]} onInput=${set(field)} spellcheck=${false}></textarea><//>`;
  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    setError(null);
    setBusy(true);
    let made: string | null = null;
    try {
      const build = (id: string): Record<string, unknown> =>
        egg === null ? toImageBody(wish, ports, id) : { ...toShared(wish, ports, id), egg: egg.id, variables, ...(wish.image.trim() === "" ? {} : { image: wish.image.trim() }) };
      build("check");
      if (volume === "new") {
        const answer = await call<VolumeRow>("POST", "/volumes", size.trim() === "" ? {} : { body: { size: Number(size) } });
        made = answer.volume_id;
      }
      await call("POST", "/containers", { body: build(made ?? volume) });
      toast(`${wish.internal_id} is being installed.`);
      go(path("c", wish.internal_id));
    } catch (failed) {
      // The volume was made for this server: without the server nothing would tell that it exists.
      if (made !== null) await call("DELETE", `/volumes/${made}`).catch(() => undefined);
      if (failed instanceof BadField) setError({ field: failed.field, text: failed.message });
      else setError({ field: "", text: toMessage(failed) });
      setBusy(false);
      if (failed instanceof ApiError || failed instanceof BadField) return;
      throw failed;
    }
  };
  const free = pool.filter((port) => !port.in_use && !ports.some((each) => portKey(each) === portKey(port)));
  const addPort = (key: string): void => {
    const found = free.find((port) => portKey(port) === key);
    if (found !== undefined) setPorts([...ports, { ip: found.ip, port: found.port, protocol: found.protocol }]);
  };
  return html`<h1>New server</h1><form class="form create" onSubmit=${(event: Event) => { void create(event); }}>
    ${error?.field === "" ? html`<div class="wide"><${Problem} text=${error.text} /></div>` : null}
    ${input("internal_id", "Id", "Letters, digits, _ . and -; it cannot be changed later.", { required: true, maxlength: 63, pattern: "[A-Za-z0-9][A-Za-z0-9_.\\-]*" })}
    ${input("display_name", "Name", "For people.")}
    ${eggs.length === 0 ? null : html`<${Field} label="Runs" wide><select value=${egg?.id ?? ""} onChange=${(event: Event) => {
        setEgg(eggs.find((each) => each.id === value(event)) ?? null);
        setVariables({});
      }}><option value="">an image with a command of its own</option>${eggs.map((each) => html`<option key=${each.id} value=${each.id}>${each.name}</option>`)}</select><//>`}
    ${egg === null
      ? html`${input("image", "Image", "For example eclipse-temurin:21-jre.", { required: true })}
        ${input("start_pattern", "Ready when a line matches", "An RE2 expression; empty: ready at once.")}
        ${area("startup_command", "Startup command", "A shell command, run in /home/container, which is the volume.", 2)}`
      : html`<${EggFields} egg=${egg} values=${variables} onValues=${setVariables} image=${wish.image} onImage=${(image: string) => { setWish({ ...wish, image }); }} />`}
    <h2>Limits</h2>
    ${input("memory", "Memory", "For example 512 MiB or 2 GiB; empty: no limit.")}
    ${input("cpu", "Cores", "For example 1.5; empty: no limit.", { inputmode: "decimal" })}
    ${input("pids", "Processes and threads", "Empty: no limit.", { inputmode: "numeric" })}
    <h2>Volume and ports</h2>
    <${Field} label="Volume"><select value=${volume} onChange=${(event: Event) => { setVolume(value(event)); }}><option value="new">a new one</option>
      ${volumes.map((each) => html`<option key=${each.volume_id} value=${each.volume_id}>${each.volume_id.slice(0, 8)} (${each.quota_mb === null ? "no limit" : `${String(each.quota_mb)} MB`})</option>`)}</select><//>
    ${volume === "new" ? html`<${Field} label="Its size in MB" help="Empty: limited by the disk only."><input type="number" min="1" value=${size} onInput=${(event: Event) => { setSize(value(event)); }} /><//>` : null}
    <div class="field wide"><span class="label" id="ports-label">Ports</span>
      <ul class="chips" aria-labelledby="ports-label">${ports.map((port) => html`<li key=${portKey(port)} class="mono">${portKey(port)}
        <${Button} icon="close" tone="plain" label=${`Remove ${portKey(port)}`} onClick=${() => { setPorts(ports.filter((each) => each !== port)); }} /></li>`)}</ul>
      <select aria-label="Add a port" value="" onChange=${(event: Event) => { addPort(value(event)); }}><option value="">${free.length === 0 ? "no free port in the pool" : "Add a port …"}</option>
        ${free.slice(0, 500).map((port) => html`<option key=${portKey(port)} value=${portKey(port)}>${portKey(port)}</option>`)}</select></div>
    <details class="wide"><summary>More</summary><div class="form">
      ${egg === null ? html`${area("environment", "Environment", "One NAME=value a line.", 4)}
        ${area("install_script", "Install script", "Runs once as root, with the volume as its folder.", 6)}
        <${Field} label="Stop with"><select value=${wish.stop_type} onChange=${set("stop_type")}><option value="signal">a signal</option><option value="command">a command on the console</option></select><//>
        ${input("stop_value", wish.stop_type === "signal" ? "Signal" : "Command", "Empty: SIGTERM.")}` : null}
      ${area("labels", "Labels", "One name=value a line.", 3)}</div></details>
    <footer><${Button} type="submit" tone="primary" off=${busy}>Create<//><a class="button" href=${path()}>Cancel</a></footer>
  </form>`;
}
