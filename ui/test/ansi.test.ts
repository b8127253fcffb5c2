import assert from "node:assert/strict";
import { test } from "node:test";

import { BOLD, DIM, findLinks, INVERSE, NONE, parse, PLAIN, RGB, restyle, toPlain, UNDERLINE } from "../src/console/ansi";

const ESC = "\u001b";

test("text without controls is one plain span", () => {
  assert.deepEqual(parse("[12:00] Done"), [{ text: "[12:00] Done", style: PLAIN }]);
  assert.deepEqual(parse(""), []);
});

test("colours of all three kinds are read", () => {
  const colours = parse(`${ESC}[31ma${ESC}[97mb${ESC}[38;5;208mc${ESC}[38;2;1;2;3md${ESC}[48;5;17me`).map(({ text, style }) => [text, style.fg, style.bg]);
  assert.deepEqual(colours, [["a", 1, NONE], ["b", 15, NONE], ["c", 208, NONE], ["d", RGB | 0x010203, NONE], ["e", RGB | 0x010203, 17]]);
});

test("colours with colons are read like those with semicolons", () => {
  assert.equal(restyle(PLAIN, "38:5:9").fg, 9);
});

test("attributes are set and removed", () => {
  const style = restyle(PLAIN, "1;2;4;7");
  assert.equal(style.flags, BOLD | DIM | UNDERLINE | INVERSE);
  assert.equal(restyle(style, "22;24;27").flags, 0);
  assert.deepEqual(restyle(style, ""), PLAIN);
});

test("malformed colours change nothing", () => {
  for (const parameters of ["38;5", "38;5;256", "38;2;1;2", "38;9;1", "?25", "38;2;999;0;0"]) assert.equal(restyle(PLAIN, parameters).fg, NONE, parameters);
});

test("what follows a malformed extended colour is not read as attributes", () => {
  assert.deepEqual(restyle(PLAIN, "38;9;1;4"), PLAIN);
});

test("a style ends with its line", () => {
  parse(`${ESC}[31;1mred`);
  assert.deepEqual(parse("next"), [{ text: "next", style: PLAIN }]);
});

test("strings of the terminal are left out with their contents", () => {
  const lines = [`a${ESC}]0;title\u0007b`, `a${ESC}]8;;javascript:alert(1)${ESC}\\b`, `a${ESC}Pq#0${ESC}\\b`, `a${ESC}_x${ESC}\\b`, "a\u009d0;t\u009cb"];
  for (const line of lines) assert.equal(toPlain(line), "ab", JSON.stringify(line));
});

test("a string without an end takes the rest of its line only", () => {
  assert.equal(toPlain(`a${ESC}]0;never ends`), "a");
});

test("other sequences and controls are left out", () => {
  assert.equal(toPlain(`a${ESC}[2J${ESC}[10;5H${ESC}(B${ESC}7${ESC}c\u0007\u0000\u007f\u0085b`), "ab");
  assert.equal(toPlain(`a${ESC}`), "a");
  assert.equal(toPlain(`a${ESC}[31`), "a");
});

test("a control inside a sequence ends the sequence, and text behind it is kept", () => {
  assert.equal(toPlain(`${ESC}[3\u0007text`), "text");
});

test("characters that change the direction of text are left out", () => {
  assert.equal(toPlain("\u202eabc\u2066d\u2069\u200fe\u061c"), "abcde");
});

test("carriage returns and backspaces replace what was written", () => {
  assert.equal(toPlain("10 %\r20 %"), "20 %");
  assert.equal(toPlain("abc\b\bX"), "aXc");
  assert.equal(toPlain("\b\bx"), "x");
  assert.deepEqual(parse(`${ESC}[31mab\r${ESC}[32mX`).map(({ text, style }) => [text, style.fg]), [["X", 2], ["b", 1]]);
});

test("the number of styles of one line is limited, and its text is complete", () => {
  const line = Array.from({ length: 5000 }, (_, at) => `${ESC}[${String(31 + (at % 6))}mx`).join("");
  const spans = parse(line);
  assert.equal(spans.map((span) => span.text).join("").length, 5000);
  assert.ok(spans.length <= 2001);
});

test("random bytes never raise, and leave no control behind", () => {
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  const parts = [ESC, `${ESC}[`, `${ESC}]`, "\u009b", "31m", ";", "38;5;", "\r", "\b", "x", "\u202e", "\u0007", "é", "😀", "<b>", "\t"];
  for (let turn = 0; turn < 3000; turn += 1) {
    const line = Array.from({ length: random(20) }, () => parts[random(parts.length)]).join("");
    // eslint-disable-next-line no-control-regex -- controls are what must not be left
    assert.doesNotMatch(toPlain(line), /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e]/, JSON.stringify(line));
  }
});

test("links are http and https, without the punctuation behind them", () => {
  const text = "see https://a.example/x(1), http://b.example. javascript:alert(1) ftp://c.example (https://d.example/e)";
  assert.deepEqual(findLinks(text).map(({ begin, end }) => text.slice(begin, end)), ["https://a.example/x(1)", "http://b.example", "https://d.example/e"]);
});

test("text that only looks like a link is none", () => {
  for (const text of ["http://", "https://[", "xhttp:/a", "http://%zz"]) assert.deepEqual(findLinks(text), [], text);
});
