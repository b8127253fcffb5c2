/** CodeMirror, as the editor uses it. This module and the languages are loaded when a file is opened. */

import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, indentUnit, syntaxHighlighting, type LanguageSupport, type StreamParser, StreamLanguage } from "@codemirror/language";
import { MergeView } from "@codemirror/merge";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

import { nonce } from "../lib/nonce";

export interface Editing {
  readonly text: () => string;
  readonly replace: (text: string) => void;
  /** The text was saved: changes are counted from it. */
  readonly saved: (text: string) => void;
  readonly setDark: (dark: boolean) => void;
  readonly destroy: () => void;
}

export interface EditorOptions {
  readonly text: string;
  readonly name: string;
  readonly dark: boolean;
  readonly writable: boolean;
  readonly label: string;
  readonly changed: (dirty: boolean) => void;
  readonly save: () => void;
}

type Loaded = LanguageSupport | StreamLanguage<unknown>;

const stream = (parser: StreamParser<unknown>): Loaded => StreamLanguage.define(parser);

const LANGUAGES: readonly { readonly names: RegExp; readonly load: () => Promise<Loaded> }[] = [
  { names: /\.(json|json5|mcmeta)$/i, load: async () => (await import("@codemirror/lang-json")).json() },
  { names: /\.ya?ml$/i, load: async () => (await import("@codemirror/lang-yaml")).yaml() },
  { names: /\.(xml|html?)$/i, load: async () => (await import("@codemirror/lang-xml")).xml() },
  { names: /\.(js|mjs|ts)$/i, load: async () => (await import("@codemirror/lang-javascript")).javascript() },
  { names: /\.py$/i, load: async () => (await import("@codemirror/lang-python")).python() },
  { names: /\.(properties|ini|cfg|conf|env)$/i, load: async () => stream((await import("@codemirror/legacy-modes/mode/properties")).properties) },
  { names: /\.toml$/i, load: async () => stream((await import("@codemirror/legacy-modes/mode/toml")).toml) },
  { names: /\.(sh|bash)$/i, load: async () => stream((await import("@codemirror/legacy-modes/mode/shell")).shell) },
  { names: /\.lua$/i, load: async () => stream((await import("@codemirror/legacy-modes/mode/lua")).lua) },
];

function toTheme(dark: boolean): Extension {
  return EditorView.theme(
    {
      "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--log)", fontSize: "13px" },
      ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
      ".cm-content": { caretColor: "var(--text)" },
      ".cm-cursor": { borderLeftColor: "var(--text)" },
      ".cm-gutters": { backgroundColor: "var(--raised)", color: "var(--muted)", borderRight: "1px solid var(--line)" },
      ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: dark ? "#6e768122" : "#0000000d" },
      "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "-2px" },
      "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: dark ? "#264f78" : "#b6d6fd" },
      ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)", borderColor: "var(--line)" },
      ".cm-textfield": { backgroundColor: "var(--page)", color: "var(--text)", border: "1px solid var(--control)" },
      ".cm-button": { backgroundImage: "none", backgroundColor: "var(--hover)", color: "var(--text)", border: "1px solid var(--line)" },
      ".cm-specialChar": { color: "var(--bad)" },
    },
    { dark },
  );
}

const colours = (dark: boolean): Extension =>
  syntaxHighlighting(
    HighlightStyle.define([
      { tag: [tags.comment, tags.meta], color: dark ? "#9aa4b0" : "#57606a" },
      { tag: [tags.string, tags.special(tags.string)], color: dark ? "#a5d6ff" : "#0a3069" },
      { tag: [tags.number, tags.bool, tags.null, tags.atom], color: dark ? "#79c0ff" : "#0550ae" },
      { tag: [tags.keyword, tags.operatorKeyword], color: dark ? "#ff7b72" : "#b42318" },
      { tag: [tags.propertyName, tags.definition(tags.propertyName), tags.attributeName], color: dark ? "#7ee787" : "#116329" },
      { tag: [tags.variableName, tags.tagName, tags.definition(tags.variableName)], color: dark ? "#ffa657" : "#7d4e00" },
      { tag: [tags.heading, tags.function(tags.variableName)], color: dark ? "#d2a8ff" : "#6639ba", fontWeight: "bold" },
    ]),
  );

function toLook(dark: boolean): Extension {
  return [toTheme(dark), colours(dark)];
}

const secure = (): Extension => EditorView.cspNonce.of(nonce());

function loadLanguage(name: string, view: () => EditorView | null, compartment: Compartment): void {
  const found = LANGUAGES.find(({ names }) => names.test(name));
  if (found === undefined) return;
  found.load().then(
    (language) => { view()?.dispatch({ effects: compartment.reconfigure(language) }); },
    () => { /* Without its language a text has no colours. */ },
  );
}

export function createEditor(parent: HTMLElement, options: EditorOptions): Editing {
  const [look, language] = [new Compartment(), new Compartment()];
  let clean = options.text;
  let dirty = false;
  const check = (text: string): void => {
    if ((text !== clean) === dirty) return;
    dirty = !dirty;
    options.changed(dirty);
  };
  const view = new EditorView({
    parent,
    doc: options.text,
    extensions: [
      secure(),
      lineNumbers(),
      highlightActiveLineGutter(),
      highlightActiveLine(),
      highlightSpecialChars(),
      history(),
      drawSelection(),
      bracketMatching(),
      search({ top: true }),
      highlightSelectionMatches(),
      indentUnit.of("  "),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": options.label, "aria-describedby": "editor-keys", spellcheck: "false" }),
      EditorState.readOnly.of(!options.writable),
      // Tab indents; Escape, then Tab leaves the editor, as CodeMirror documents it.
      keymap.of([{ key: "Mod-s", run: () => { options.save(); return true; } }, ...defaultKeymap, ...historyKeymap, ...searchKeymap, indentWithTab]),
      EditorView.updateListener.of((update) => { if (update.docChanged) check(update.state.doc.toString()); }),
      look.of(toLook(options.dark)),
      language.of([]),
    ],
  });
  loadLanguage(options.name, () => view, language);
  view.focus();
  return {
    text: () => view.state.doc.toString(),
    replace: (text) => { view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }); },
    saved: (text) => {
      clean = text;
      check(view.state.doc.toString());
    },
    setDark: (dark) => { view.dispatch({ effects: look.reconfigure(toLook(dark)) }); },
    destroy: () => { view.destroy(); },
  };
}

export interface Merging {
  readonly text: () => string;
  readonly destroy: () => void;
}

export interface MergeOptions {
  readonly mine: string;
  readonly theirs: string;
  readonly dark: boolean;
  readonly name: string;
}

/** Show two texts side by side: the left one as it is, the right one to be edited. */
export function createMerge(parent: HTMLElement, { mine, theirs, dark, name }: MergeOptions): Merging {
  const [left, right] = [new Compartment(), new Compartment()];
  const shared = [secure(), lineNumbers(), highlightSpecialChars(), EditorView.lineWrapping, toLook(dark)];
  const label = (text: string): Extension => EditorView.contentAttributes.of({ "aria-label": text });
  const view = new MergeView({
    parent,
    a: { doc: theirs, extensions: [...shared, EditorState.readOnly.of(true), label("In the volume now"), left.of([])] },
    b: { doc: mine, extensions: [...shared, history(), keymap.of([...defaultKeymap, ...historyKeymap]), label("Yours, to be saved"), right.of([])] },
    revertControls: "a-to-b",
    collapseUnchanged: { margin: 3, minSize: 6 },
    gutter: true,
  });
  loadLanguage(name, () => view.a, left);
  loadLanguage(name, () => view.b, right);
  return {
    text: () => view.b.state.doc.toString(),
    destroy: () => { view.destroy(); },
  };
}
