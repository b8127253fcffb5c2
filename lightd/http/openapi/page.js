"use strict";
// Every text of the document becomes a text node: nothing of it is ever read as HTML.
const doc = JSON.parse(document.getElementById("document").textContent);
const main = document.getElementById("main");
const index = document.getElementById("index");
const contents = document.getElementById("contents");
const rows = [];
const sections = [];
const samples = [];
const MOST_OPENED = 8; // results of a search that are opened, to show what was found

// Where this daemon answers: this page's address without its name, also behind a proxy and beneath a path.
const base = location.href.replace(/[?#].*$/, "").replace(/\/docs\/?$/, "");

function make(tag, options, ...children) {
  const { cls, ...attributes } = options || {};
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// `code`, paragraphs and lists: as much of Markdown as the document has.
function inline(text) {
  return text.split("`").map((part, n) => (n % 2 ? make("code", null, part) : part));
}

function prose(text) {
  return (text || "").split("\n\n").filter(Boolean).map((block) => {
    const lines = block.split("\n");
    if (!lines.every((line) => line.startsWith("- "))) return make("p", null, ...inline(block));
    return make("ul", null, ...lines.map((line) => make("li", null, ...inline(line.slice(2)))));
  });
}

function block(source) {
  const pre = make("pre", { tabindex: "0" }, make("code", null, source));
  if (!navigator.clipboard) return pre; // pages without TLS have none
  const button = make("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(source);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return make("div", null, pre, button);
}

// The same in several languages, of which one is shown: everywhere the one that was chosen last.
function spoken(sources) {
  const bar = make("div", { cls: "languages", role: "group", "aria-label": "Language" });
  const group = sources.map(({ lang, source }) => {
    const button = make("button", { type: "button" }, lang);
    button.addEventListener("click", () => speak(lang));
    bar.append(button);
    return { lang, button, part: make("div", { cls: "sample" }, block(source)) };
  });
  samples.push(group);
  return make("div", null, bar, ...group.map((each) => each.part));
}

function speak(chosen) {
  for (const group of samples) {
    const here = group.some(({ lang }) => lang === chosen) ? chosen : group[0].lang;
    for (const { lang, part, button } of group) {
      part.hidden = lang !== here;
      button.setAttribute("aria-pressed", String(lang === here));
    }
  }
}

function resolve(schema) {
  return schema.$ref ? schema.$ref.slice(1).split("/").slice(1).reduce((at, key) => at[key], doc) : schema;
}

function kind(schema) {
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const several = schema.oneOf || (schema.type ? null : schema.anyOf);
  if (several) return several.map((each) => (each.$ref ? each.$ref.split("/").pop() : kind(each))).join(" or ");
  const types = [].concat(schema.type || "anything");
  if (types[0] === "array") return `list of ${schema.items.$ref ? schema.items.$ref.split("/").pop() : kind(schema.items)}`;
  return types.join(" or ") + (schema.format && !["int64", "double"].includes(schema.format) ? ` (${schema.format})` : "");
}

// A bound that JavaScript would round is a string here.
function bounds(schema) {
  const said = [];
  if (schema["x-unit"] && schema["x-unit"] !== "number") said.push(`in ${schema["x-unit"]}`);
  if (schema.minimum !== undefined) said.push(`from ${schema.minimum}`);
  if (schema.maximum !== undefined) said.push(`to ${schema.maximum}`);
  if (schema.maxLength !== undefined) said.push(`at most ${schema.maxLength} characters`);
  if (schema.default !== undefined) said.push(`(default: ${JSON.stringify(schema.default)})`);
  return said.length ? `, ${said.join(" ")}` : "";
}

function typed(schema) {
  const name = (schema.$ref || (schema.items && schema.items.$ref) || "").split("/").pop();
  if (!name) return make("span", { cls: "type" }, kind(schema) + bounds(schema));
  const link = make("a", { href: `#schema-${name}` }, name);
  return make("span", { cls: "type" }, schema.items ? "list of " : null, link);
}

function example(value) {
  return value === undefined || typeof value === "boolean" ? null : make("span", { cls: "example" }, ", for example ", make("code", null, JSON.stringify(value)));
}

function needs(is) {
  return is ? make("span", { cls: "needed" }, " required") : null;
}

// The fields of an object, of the objects in a list, of each alternative; null where there are none.
function fields(schema) {
  if (schema.$ref) return null;
  const several = (schema.oneOf || schema.anyOf || []).filter((each) => each.properties);
  if (several.length) return make("div", null, ...several.map(fields));
  if (schema.items) return fields(schema.items);
  if (!schema.properties) return schema.additionalProperties ? fields(schema.additionalProperties) : null;
  const required = new Set(schema.required || []);
  return make("ul", { cls: "fields" }, ...Object.entries(schema.properties).map(([name, field]) => field_(name, field, required.has(name))));
}

function field_(name, schema, required) {
  const named = [schema, schema.items || {}].find((each) => each.$ref);
  const nested = fields(named ? resolve(named) : schema);
  return make("li", null,
    make("code", null, name), " ", typed(schema), needs(required),
    ...(schema.description ? [" – ", ...inline(schema.description)] : []),
    !nested && schema.examples ? example(schema.examples[0]) : null, nested);
}

function shape(schema) {
  return make("div", null, typed(schema), fields(schema));
}

function shown(value) {
  return block(typeof value === "string" ? value : JSON.stringify(value, null, 2));
}

function examples(content) {
  if ("example" in content) return [make("p", null, "Example:"), shown(content.example)];
  return Object.entries(content.examples || {}).flatMap(([name, found]) => [make("p", null, "Example ", make("code", null, name), ":"), shown(resolve(found).value)]);
}

function headers(found) {
  const named = Object.entries(found.headers || {}).map(([name, header]) => [name, resolve(header)]);
  if (!named.length) return null;
  return make("ul", { cls: "fields" }, ...named.map(([name, header]) => make("li", null, "header ", make("code", null, name), " – ", ...inline(header.description), example(header.example))));
}

// Of an error each code with its meaning and its sentence, of another response its fields and an example.
function answer(found, isError) {
  const content = Object.entries(found.content || {});
  if (!isError) return [...content.flatMap(([media, one]) => [make("code", null, media), " ", shape(one.schema), ...examples(one)]), headers(found)];
  const known = content.flatMap(([, one]) => Object.values(one.examples).map((each) => resolve(each)));
  return [make("ul", null, ...known.map(({ summary, value }) => make("li", null, make("code", null, value.code), " – ", ...inline(summary), make("pre", null, make("code", null, JSON.stringify(value)))))), headers(found)];
}

function answers(operation) {
  return Object.entries(operation.responses).filter(([status]) => status !== "default").map(([status, found]) => {
    const isError = Number(status) >= 400;
    return make("details", Number(status) < 300 ? { open: "" } : null,
      make("summary", null, make("code", null, status), make("span", { cls: "said" }, isError ? codes(found) : found.description)),
      ...answer(found, isError));
  });
}

function codes(found) {
  return Array.from(found.description.matchAll(/`([a-z_]+)`:/g), (match) => match[1]).join(", ");
}

function parameters(found) {
  return make("ul", { cls: "fields" }, ...found.map((each) =>
    make("li", null, make("code", null, each.name), ` in ${each.in} `, typed(each.schema), needs(each.required), " – ", ...inline(each.description), example(each.example))));
}

function route(path, method, operation) {
  const name = method.toUpperCase();
  const inside = [...prose(operation.description), spoken(operation["x-codeSamples"])];
  if (operation["x-needs"] !== "nothing") inside.push(make("p", null, "Needs ", make("code", null, operation["x-needs"]), "."));
  if (operation.security && !operation.security.length) inside.push(make("p", null, "Needs no token and no vendor header."));
  if (operation.parameters) inside.push(make("h3", null, "Parameters"), parameters(operation.parameters.map(resolve)));
  if (operation.requestBody) {
    inside.push(make("h3", null, operation.requestBody.required ? "Body" : "Body, which can be left out"));
    for (const [media, content] of Object.entries(operation.requestBody.content)) {
      const { schema } = content;
      inside.push(make("code", null, media), " ", shape(schema), ...(schema.$ref ? [fields(resolve(schema)) || ""] : []), ...examples(content));
    }
  }
  inside.push(make("h3", null, "Responses"), ...answers(operation));
  return add(operation.operationId, "route", [make("span", { cls: `method ${name}` }, name), make("code", null, path), make("span", { cls: "said" }, operation.summary)], inside, `${name} ${path}`);
}

function add(id, cls, summary, inside, label) {
  const details = make("details", { cls, id }, make("summary", null, ...summary), make("div", { cls: "inside" }, ...inside));
  const link = make("li", null, make("a", { href: `#${id}` }, label));
  rows.push({ details, link, text: details.textContent.toLowerCase() });
  return { details, link };
}

function section(title, parts, made) {
  const inMain = make("section", null, make("h2", null, title), ...parts, ...made.map((each) => each.details));
  const inIndex = make("div", null, make("h2", null, title), make("ul", null, ...made.map((each) => each.link)));
  main.append(inMain);
  index.append(inIndex);
  sections.push({ inMain, inIndex, made });
}

function here(source) {
  return source.replaceAll(doc["x-address"], base).replaceAll(doc["x-address"].replace(/^http/, "ws"), base.replace(/^http/, "ws"));
}

function languages(sources) {
  return spoken(Object.entries(sources).map(([lang, source]) => ({ lang, source: here(source) })));
}

function sockets() {
  const socket = doc["x-websocket"];
  const parts = [...prose(socket.description), make("ul", null, ...Object.entries(socket.paths).map(([path, means]) =>
    make("li", null, make("code", null, base.replace(/^http/, "ws") + path), " – ", ...inline(means))))];
  parts.push(languages(socket.samples));
  parts.push(make("h3", null, "Parameters"), make("ul", { cls: "fields" }, ...Object.entries(socket.query).map(([name, schema]) =>
    make("li", null, make("code", null, name), " in query ", typed(schema), " – ", ...inline(schema.description), example(schema.examples[0])))));
  parts.push(make("h3", null, "Close codes"), make("ul", { cls: "fields" }, ...Object.entries(socket.closed).map(([code, means]) =>
    make("li", null, make("code", null, code), " – ", ...inline(means)))));
  parts.push(make("h3", null, "Frames"));
  const frames = (side, title) => Object.entries(socket[side]).map(([name, schema]) =>
    add(`${side}-${name}`, "schema", [make("code", null, name), make("span", { cls: "said" }, title)],
      [...prose(schema.description), make("p", null, "Needs ", make("code", null, schema["x-needs"]), "."), shape(schema), ...examples({ example: schema.examples[0] })], name));
  section("WebSocket", parts, [...frames("server", "from the server"), ...frames("client", "from the client")]);
}

function build() {
  main.replaceChildren(make("h1", null, `${doc.info.title} API ${doc.info.version}`), ...prose(doc.info.description));
  main.append(make("p", null, "This daemon's address: ", make("code", null, base), "."));
  main.append(make("h3", null, "For the examples below"), languages(doc["x-preludes"]));
  const all = Object.entries(doc.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
  for (const tag of doc.tags) {
    section(tag.name, prose(tag.description), all.filter(({ operation }) => operation.tags.includes(tag.name)).map(({ path, method, operation }) => route(path, method, operation)));
  }
  sockets();
  const refused = doc.components.responses.Refused;
  section("Errors of the server", [...prose(refused.description.split("\n\n")[0]), ...answer(refused, true)], []);
  section("Schemas", [], Object.entries(doc.components.schemas).map(([name, schema]) =>
    add(`schema-${name}`, "schema", [make("code", null, name)], [...prose(schema.description), shape(schema)], name)));
  speak("Shell");
  contents.open = typeof matchMedia !== "function" || !matchMedia("(max-width: 50rem)").matches;
}

// Every place in `node` where one of the words is, as an element of its own.
function mark(node, words) {
  for (const child of Array.from(node.childNodes)) {
    if (child.nodeType === 1) {
      if (child.tagName !== "BUTTON") mark(child, words);
      continue;
    }
    const text = child.data, low = text.toLowerCase();
    if (low.length !== text.length) continue; // the places would be others
    const parts = [];
    for (let at = 0; at < text.length;) {
      const found = words.map((word) => ({ word, place: low.indexOf(word, at) })).filter(({ place }) => place >= 0);
      const next = found.reduce((best, each) => (best && best.place <= each.place ? best : each), null);
      if (!next) {
        if (parts.length) parts.push(text.slice(at));
        break;
      }
      const { word, place } = next;
      parts.push(text.slice(at, place), make("mark", null, text.slice(place, place + word.length)));
      at = place + word.length;
    }
    if (parts.length) child.replaceWith(...parts.filter((part) => part !== ""));
  }
}

function unmark(node) {
  for (const each of Array.from(node.querySelectorAll("mark"))) {
    const parent = each.parentNode;
    each.replaceWith(each.textContent);
    parent.normalize();
  }
}

// What is folded around the marked words of a row.
function closed(details) {
  const inner = Array.from(details.querySelectorAll("details")).filter((each) => each.querySelector("mark"));
  return [details, ...inner].filter((each) => !each.open);
}

let opened = [];
let marked = [];

function search(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  opened.forEach((details) => { details.open = false; });
  marked.forEach(unmark);
  const found = [];
  for (const { details, link, text } of rows) {
    const fits = wanted.every((word) => text.includes(word));
    details.hidden = link.hidden = !fits;
    if (fits && wanted.length) found.push(details);
  }
  marked = found;
  marked.forEach((details) => mark(details, wanted));
  for (const { inMain, inIndex, made } of sections) {
    inMain.hidden = inIndex.hidden = wanted.length > 0 && made.every(({ details }) => details.hidden);
  }
  opened = found.length <= MOST_OPENED ? found.flatMap(closed) : [];
  opened.forEach((details) => { details.open = true; });
  document.getElementById("count").textContent = wanted.length ? `${found.length} found` : "";
}

function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!(target instanceof HTMLDetailsElement)) return;
  if (typeof matchMedia === "function" && matchMedia("(max-width: 50rem)").matches) contents.open = false;
  target.hidden = false;
  target.open = true;
  target.scrollIntoView();
  target.querySelector("summary").focus({ preventScroll: true });
}

const field = document.getElementById("search");
let waiting;
build();
open();
addEventListener("hashchange", open);
addEventListener("beforeprint", () => { for (const { details } of rows) details.open = true; });
field.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => search(field.value), 120);
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== field) { event.preventDefault(); field.focus(); }
  if (event.key === "Escape" && document.activeElement === field) { field.value = ""; search(""); }
});
