// As much of a browser as the page needs, to see what its script makes of the document:
// `node page_stage.js PAGE ADDRESS [narrow]`.
"use strict";
const html = require("fs").readFileSync(process.argv[2], "utf8");
const part = (begin) => html.slice(html.indexOf(begin) + begin.length, html.indexOf("</script>", html.indexOf(begin)));

class Text {
  constructor(data) { Object.assign(this, { nodeType: 3, data: String(data), parentNode: null }); }
  get textContent() { return this.data; }
  replaceWith(...nodes) { swap(this, nodes); }
}
class Element {
  constructor(tag) { Object.assign(this, { nodeType: 1, tag, childNodes: [], attributes: {}, listeners: {}, hidden: false, open: false, value: "", className: "", parentNode: null }); }
  get tagName() { return this.tag.toUpperCase(); }
  get children() { return this.childNodes.filter((child) => child instanceof Element); }
  append(...children) { this.childNodes.push(...children.map((child) => adopted(this, child))); }
  replaceChildren(...children) { this.childNodes = []; this.append(...children); }
  replaceWith(...nodes) { swap(this, nodes); }
  normalize() {
    this.childNodes = this.childNodes.reduce((kept, child) => {
      const last = kept.at(-1);
      if (child instanceof Text && last instanceof Text) last.data += child.data;
      else kept.push(child);
      return kept;
    }, []);
  }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, act) { this.listeners[name] = act; }
  get textContent() { return this.childNodes.map((child) => child.textContent).join(""); }
  set textContent(text) { this.replaceChildren(text); }
  all() { return this.children.flatMap((child) => [child, ...child.all()]); }
  querySelector(tag) { return this.all().find((each) => each.tag === tag); }
  querySelectorAll(tag) { return this.all().filter((each) => each.tag === tag); }
  scrollIntoView() { this.seen = true; }
  focus() { document.activeElement = this; }
}
class HTMLDetailsElement extends Element {}

function adopted(parent, child) {
  const node = child instanceof Element || child instanceof Text ? child : new Text(child);
  node.parentNode = parent;
  return node;
}

function swap(node, nodes) {
  const parent = node.parentNode;
  parent.childNodes.splice(parent.childNodes.indexOf(node), 1, ...nodes.map((each) => adopted(parent, each)));
}

const ids = ["main", "index", "search", "count", "document", "contents"];
const named = Object.fromEntries(ids.map((id) => [id, new (id === "contents" ? HTMLDetailsElement : Element)("div")]));
named.document.textContent = part('<script type="application/json" id="document">');
const made = () => Object.values(named).flatMap((each) => each.all());
const heard = {};
const document = {
  activeElement: null,
  getElementById: (id) => named[id] || made().find((each) => each.attributes.id === id) || null,
  createElement: (tag) => new (tag === "details" ? HTMLDetailsElement : Element)(tag),
};
const location = { href: process.argv[3], hash: "#start_container" };
const narrow = process.argv[4] === "narrow";
const addEventListener = (name, act) => { heard[name] = act; };
const names = ["document", "location", "navigator", "addEventListener", "HTMLDetailsElement", "matchMedia", "setTimeout", "clearTimeout"];
new Function(...names, part("<script>"))(
  document, location, {}, addEventListener, HTMLDetailsElement, () => ({ matches: narrow }), (act) => act(), () => {});

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
const marks = () => named.main.all().filter((each) => each.tag === "mark");
told.marked = [...new Set(marks().map((each) => each.textContent.toLowerCase()))];
field.value = "not_quarantined";
field.listeners.input();
const revive = document.getElementById("revive_container");
told.unfolded = revive.open && revive.all().some((each) => each.tag === "details" && each.open && each.querySelector("mark"));
told.sections = named.main.all().filter((each) => each.tag === "section" && !each.hidden).length;
let prevented = false;
heard.keydown({ key: "/", preventDefault: () => { prevented = true; } });
told.slash = prevented && document.activeElement === field;
heard.keydown({ key: "Escape" });
told.restored = named.main.all().filter((each) => each.tag === "section" && each.hidden).length;
told.escaped = shown().length;
told.marks = marks().length;
told.same = named.main.textContent === told.text;
const samples = () => named.main.all().filter((each) => each.className === "sample" && !each.hidden).map((each) => each.textContent);
told.shell = samples();
named.main.all().find((each) => each.tag === "button" && each.textContent === "Python").listeners.click();
told.python = samples();
told.contents = named.contents.open;
heard.beforeprint();
told.printed = named.main.all().filter((each) => each.className === "route" && each.open).length;
console.log(JSON.stringify(told));
