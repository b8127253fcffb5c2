import assert from "node:assert/strict";
import { test } from "node:test";

import { Lines, split, type Incoming } from "../src/console/lines";

const make = (lines = 1e9, characters = 1e9): Lines => new Lines(() => 20, { lines, characters });
const numbered = (from: number, to: number): Incoming[] => Array.from({ length: to - from + 1 }, (_, at) => ({ line: from + at, text: `l${String(from + at)}`, at: from + at }));
const toWords = (lines: Lines): string[] =>
  [...lines.rows].map((entry) => (entry.kind === "line" ? String(entry.number) : entry.kind === "gap" ? `[${String(entry.from)}-${String(entry.to)}]` : `(${entry.text})`));

test("a frame is split into its numbered lines", () => {
  assert.deepEqual(split("a\n\nb\n", 7, 1), [{ line: 7, text: "a", at: 1 }, { line: 8, text: "", at: 1 }, { line: 9, text: "b", at: 1 }]);
  assert.deepEqual(split("\n", 3, null), [{ line: 3, text: "", at: null }]);
});

test("lines that arrive twice are kept once", () => {
  const lines = make();
  lines.add(numbered(5, 8));
  assert.equal(lines.add(numbered(6, 10)).length, 2);
  assert.deepEqual(toWords(lines), ["5", "6", "7", "8", "9", "10"]);
});

test("missing numbers are a gap, and a gap is filled by what arrives later", () => {
  const lines = make();
  lines.add([...numbered(1, 2), ...numbered(6, 7)]);
  assert.deepEqual(toWords(lines), ["1", "2", "[3-5]", "6", "7"]);
  lines.add(numbered(4, 4));
  assert.deepEqual(toWords(lines), ["1", "2", "[3-3]", "4", "[5-5]", "6", "7"]);
  lines.add(numbered(3, 5));
  assert.deepEqual(toWords(lines), ["1", "2", "3", "4", "5", "6", "7"]);
});

test("a gap that the daemon tells of is there before its next line", () => {
  const lines = make();
  lines.add(numbered(1, 2));
  lines.missing(9);
  assert.deepEqual(toWords(lines), ["1", "2", "[3-9]"]);
  lines.add(numbered(10, 10));
  assert.deepEqual(toWords(lines), ["1", "2", "[3-9]", "10"]);
  lines.missing(4);
  assert.equal(lines.last, 10);
});

test("older lines are put in front, with a gap if they do not reach", () => {
  const lines = make();
  lines.add(numbered(10, 12));
  lines.add(numbered(5, 7));
  assert.deepEqual(toWords(lines), ["5", "6", "7", "[8-9]", "10", "11", "12"]);
  lines.add(numbered(3, 9));
  assert.deepEqual(toWords(lines), ["3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]);
  assert.deepEqual([lines.first, lines.last], [3, 12]);
});

test("an answer that spans older, known and newer lines is merged", () => {
  const lines = make();
  lines.add(numbered(5, 6));
  lines.add(numbered(4, 8));
  assert.deepEqual(toWords(lines), ["4", "5", "6", "7", "8"]);
});

test("the unfinished line is replaced, erased and finished", () => {
  const lines = make();
  lines.add(numbered(1, 1));
  lines.draw({ line: 2, text: "> ", at: 1 });
  lines.draw({ line: 2, text: "> sa", at: 1 });
  assert.equal(lines.partial?.text, "> sa");
  lines.add([{ line: 2, text: "> say", at: 1 }]);
  assert.equal(lines.partial, null);
  lines.draw({ line: 2, text: "late", at: 1 });
  assert.equal(lines.partial, null);
  lines.draw({ line: 3, text: "x", at: 1 });
  lines.draw({ line: 3, text: "", at: 1 });
  assert.equal(lines.partial, null);
});

test("the oldest lines are dropped beyond the limit of lines", () => {
  const lines = make(2000);
  for (let at = 0; at < 100; at += 1) lines.add(numbered(at * 100 + 1, at * 100 + 100));
  assert.ok(lines.rows.length <= 2000 && lines.rows.length > 1400, String(lines.rows.length));
  assert.equal(lines.last, 10_000);
  assert.equal(toWords(lines)[0], String(lines.first));
  assert.equal(lines.rows.height, lines.rows.length * 20);
});

test("the oldest lines are dropped beyond the limit of characters", () => {
  const lines = make(1e9, 100_000);
  for (let at = 1; at <= 3000; at += 1) lines.add([{ line: at, text: "x".repeat(100), at: null }]);
  assert.ok(lines.rows.length < 1600);
  assert.equal(lines.last, 3000);
});

test("notes stay where they were made", () => {
  const lines = make();
  lines.add(numbered(1, 1));
  lines.note("Container started", "info", 0);
  lines.add(numbered(2, 2));
  assert.deepEqual(toWords(lines), ["1", "(Container started)", "2"]);
});

test("random reconnects lose and repeat nothing", () => {
  let seed = 3;
  const random = (below: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  for (let run = 0; run < 50; run += 1) {
    const lines = make();
    let sent = 0;
    lines.add(numbered(1, (sent = 1 + random(50))));
    for (let turn = 0; turn < 40; turn += 1) {
      // A connection ends anywhere; the next one begins at the last known line, or somewhat before it.
      const from = Math.max(1, lines.last + 1 - random(30));
      sent = Math.max(sent, lines.last) + random(60);
      const to = from + random(Math.max(1, sent - from + 1));
      if (to >= from) lines.add(numbered(from, to));
      if (random(3) === 0) lines.add(numbered(1 + random(lines.last), lines.last));
    }
    assert.deepEqual(toWords(lines), Array.from({ length: lines.last }, (_, at) => String(at + 1)));
  }
});
