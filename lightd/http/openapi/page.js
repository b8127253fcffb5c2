"use strict";
// Every text of the document becomes a text node: nothing of it is ever read as HTML.
const doc = JSON.parse(document.getElementById("document").textContent);
const main = document.getElementById("main");
const index = document.getElementById("index");
const rows = [];

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

function shell(source) {
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
  return types.join(" or ") + (schema.format ? ` (${schema.format})` : "");
}

function bounds(schema) {
  const said = [];
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

// The fields of an object, of the objects in a list, of each alternative; null where there are none.
function fields(schema) {
  if (schema.$ref) return null;
  const several = (schema.oneOf || schema.anyOf || []).filter((each) => each.properties);
  if (several.length) return make("div", null, ...several.map(fields));
  if (schema.items) return fields(schema.items);
  if (!schema.properties) return null;
  const needed = new Set(schema.required || []);
  return make("ul", { cls: "fields" }, ...Object.entries(schema.properties).map(([name, field]) => field_(name, field, needed.has(name))));
}

function field_(name, schema, needed) {
  return make("li", null,
    make("code", null, name), " ", typed(schema), needed ? make("span", { cls: "needed" }, " needed") : null,
    ...(schema.description ? [" – ", ...inline(schema.description)] : []), fields(schema));
}

function shape(schema) {
  return make("div", null, typed(schema), fields(schema));
}

function answers(operation) {
  return Object.entries(operation.responses).filter(([status]) => status !== "default").map(([status, found]) => {
    const content = Object.entries(found.content || {});
    return make("details", Number(status) < 300 ? { open: "" } : null,
      make("summary", null, make("code", null, status), make("span", { cls: "said" }, Number(status) < 400 ? found.description : codes(found))),
      ...(Number(status) < 400 ? content.map(([media, { schema }]) => make("div", null, make("code", null, media), " ", shape(schema))) : prose(found.description)));
  });
}

function codes(found) {
  return Array.from(found.description.matchAll(/`([a-z_]+)`:/g), (match) => match[1]).join(", ");
}

function route(path, method, operation) {
  const name = method.toUpperCase();
  const inside = [...prose(operation.description)];
  for (const sample of operation["x-codeSamples"]) inside.push(make("h3", null, sample.label), shell(sample.source));
  if (operation["x-needs"] !== "nothing") inside.push(make("p", null, "Needs ", make("code", null, operation["x-needs"]), "."));
  if (operation.security && !operation.security.length) inside.push(make("p", null, "Open to all: needs no token and no vendor header."));
  if (operation.parameters) {
    inside.push(make("h3", null, "Parameters"), make("ul", { cls: "fields" }, ...operation.parameters.map(resolve).map((each) =>
      make("li", null, make("code", null, each.name), ` in ${each.in} `, typed(each.schema), each.required ? make("span", { cls: "needed" }, " needed") : null, " – ", ...inline(each.description)))));
  }
  if (operation.requestBody) {
    inside.push(make("h3", null, operation.requestBody.required ? "Body" : "Body, which may be left out"));
    for (const [media, { schema }] of Object.entries(operation.requestBody.content)) {
      inside.push(make("code", null, media), " ", shape(schema), ...(schema.$ref ? [fields(resolve(schema)) || ""] : []));
    }
  }
  inside.push(make("h3", null, "Answers"), ...answers(operation));
  return add(operation.operationId, "route", [make("span", { cls: `method ${name}` }, name), make("code", null, path), make("span", { cls: "said" }, operation.summary)], inside, `${name} ${path}`);
}

function add(id, cls, summary, inside, label) {
  const details = make("details", { cls, id }, make("summary", null, ...summary), make("div", { cls: "inside" }, ...inside));
  const link = make("li", null, make("a", { href: `#${id}` }, label));
  rows.push({ details, link, text: details.textContent.toLowerCase() });
  return { details, link };
}

function section(title, text, made) {
  main.append(make("section", null, make("h2", null, title), ...prose(text), ...made.map((each) => each.details)));
  index.append(make("div", null, make("h2", null, title), make("ul", null, ...made.map((each) => each.link))));
}

function build() {
  main.replaceChildren(make("h1", null, `${doc.info.title} API ${doc.info.version}`), ...prose(doc.info.description));
  main.append(make("h3", null, "For the shell lines below"), shell(`url=${location.origin} token=lightd_…\n${doc["x-shell"]}`));
  const all = Object.entries(doc.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
  for (const tag of doc.tags) {
    section(tag.name, tag.description, all.filter(({ operation }) => operation.tags.includes(tag.name)).map(({ path, method, operation }) => route(path, method, operation)));
  }
  const socket = doc["x-websocket"];
  const frames = (side, title) => Object.entries(socket[side]).map(([name, schema]) =>
    add(`${side}-${name}`, "schema", [make("code", null, name), make("span", { cls: "said" }, title)], [...prose(schema.description), shape(schema)], name));
  section("WebSocket", socket.description, [...frames("server", "from the server"), ...frames("client", "from the client")]);
  section("Errors of the server", doc.components.responses.Refused.description, []);
  section("Schemas", "", Object.entries(doc.components.schemas).map(([name, schema]) =>
    add(`schema-${name}`, "schema", [make("code", null, name)], [...prose(schema.description), shape(schema)], name)));
}

function search(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const { details, link, text } of rows) {
    const found = wanted.every((word) => text.includes(word));
    details.hidden = link.hidden = !found;
    shown += found;
  }
  document.getElementById("count").textContent = wanted.length ? `${shown} found` : "";
}

function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!(target instanceof HTMLDetailsElement)) return;
  target.hidden = false;
  target.open = true;
  target.scrollIntoView();
  target.querySelector("summary").focus({ preventScroll: true });
}

const field = document.getElementById("search");
build();
open();
addEventListener("hashchange", open);
field.addEventListener("input", () => search(field.value));
addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== field) { event.preventDefault(); field.focus(); }
  if (event.key === "Escape" && document.activeElement === field) { field.value = ""; search(""); }
});
