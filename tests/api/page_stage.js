// As much of a browser as the page needs, to see what its script makes of the document: `node page_stage.js PAGE`.
"use strict";
const html = require("fs").readFileSync(process.argv[2], "utf8");
const part = (begin) => html.slice(html.indexOf(begin) + begin.length, html.indexOf("</script>", html.indexOf(begin)));

class Element {
  constructor(tag) { Object.assign(this, { tag, children: [], attributes: {}, listeners: {}, hidden: false, open: false, value: "", className: "" }); }
  append(...children) { this.children.push(...children); }
  replaceChildren(...children) { this.children = children; }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, act) { this.listeners[name] = act; }
  get textContent() { return this.children.map((child) => (child instanceof Element ? child.textContent : String(child))).join(""); }
  set textContent(text) { this.children = [text]; }
  all() { return this.children.filter((child) => child instanceof Element).flatMap((child) => [child, ...child.all()]); }
  querySelector(tag) { return this.all().find((each) => each.tag === tag); }
  scrollIntoView() { this.seen = true; }
  focus() { document.activeElement = this; }
}
class HTMLDetailsElement extends Element {}

const named = Object.fromEntries(["main", "index", "search", "count", "document"].map((id) => [id, new Element("div")]));
named.document.children = [part('<script type="application/json" id="document">')];
const made = () => Object.values(named).flatMap((each) => each.all());
const heard = {};
const document = {
  activeElement: null,
  getElementById: (id) => named[id] || made().find((each) => each.attributes.id === id) || null,
  createElement: (tag) => new (tag === "details" ? HTMLDetailsElement : Element)(tag),
};
const location = { origin: "http://node:8070", hash: "#start_container" };
const addEventListener = (name, act) => { heard[name] = act; };
new Function("document", "location", "navigator", "addEventListener", "HTMLDetailsElement", part("<script>"))(
  document, location, {}, addEventListener, HTMLDetailsElement);

const shown = () => named.main.all().filter((each) => each.className === "route" && !each.hidden).map((each) => each.attributes.id);
const told = { routes: shown(), opened: document.getElementById("start_container").open };
told.focused = document.activeElement.tag;
told.text = named.main.textContent;
told.tags = [...new Set(made().map((each) => each.tag))].sort();
told.links = made().filter((each) => each.attributes.href).map((each) => each.attributes.href.slice(1));
told.ids = made().map((each) => each.attributes.id).filter(Boolean);
const field = named.search;
field.value = "port_in_use bulk-delete";
field.listeners.input();
told.none = shown();
field.value = "REVIVE";
field.listeners.input();
told.found = shown();
let prevented = false;
heard.keydown({ key: "/", preventDefault: () => { prevented = true; } });
told.slash = prevented && document.activeElement === field;
heard.keydown({ key: "Escape" });
told.escaped = shown().length;
console.log(JSON.stringify(told));
