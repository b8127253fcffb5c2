import assert from "node:assert/strict";
import { test } from "node:test";

import { Rows, type Item } from "../src/console/rows";
import { toWindow } from "../src/files/names";

interface Named extends Item {
  readonly name: number;
}

const item = (name: number, height = 20): Named => ({ name, height, chunk: null });

function filled(count: number): { rows: Rows<Named>; items: Named[] } {
  const rows = new Rows<Named>();
  const items = Array.from({ length: count }, (_, at) => item(at));
  for (const each of items) rows.push(each);
  return { rows, items };
}

test("an offset finds its item, and an item its offset", () => {
  const { rows, items } = filled(2000);
  for (const at of [0, 1, 511, 512, 1024, 1999]) {
    assert.equal(rows.at(at * 20)?.item.name, at);
    assert.equal(rows.at(at * 20 + 19)?.top, at * 20);
    const found = items[at];
    assert.ok(found !== undefined);
    assert.equal(rows.topOf(found), at * 20);
  }
  assert.equal(rows.at(-5)?.item.name, 0);
  assert.equal(rows.at(1e9)?.item.name, 1999);
  assert.equal(new Rows<Named>().at(0), null);
});

test("a changed height moves what is below it", () => {
  const { rows, items } = filled(1500);
  const [first, last] = [items[3], items[1400]];
  assert.ok(first !== undefined && last !== undefined);
  rows.setHeight(first, 100);
  assert.equal(rows.topOf(last), 1400 * 20 + 80);
  assert.equal(rows.height, 1500 * 20 + 80);
});

test("items are walked in both directions across chunks", () => {
  const { rows, items } = filled(1200);
  const middle = items[600];
  assert.ok(middle !== undefined);
  assert.deepEqual([...rows.from(middle)].map((each) => each.name), items.slice(600).map((each) => each.name));
  assert.deepEqual([...rows.before(middle)].map((each) => each.name), items.slice(0, 600).reverse().map((each) => each.name));
});

test("random changes agree with a plain list", () => {
  let seed = 11;
  const random = (below: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  for (let run = 0; run < 20; run += 1) {
    const rows = new Rows<Named>();
    let plain: Named[] = [];
    let next = 0;
    for (let turn = 0; turn < 60; turn += 1) {
      const some = Array.from({ length: 1 + random(300) }, () => item((next += 1), 10 + random(40)));
      const action = random(5);
      if (action === 0) {
        rows.prepend(some);
        plain = [...some, ...plain];
      } else if (action === 1 && plain.length > 0) {
        const at = random(plain.length);
        const old = plain[at];
        assert.ok(old !== undefined);
        rows.replace(old, some);
        plain.splice(at, 1, ...some);
      } else if (action === 2) {
        plain = plain.slice(rows.dropChunk().length);
      } else if (action === 3 && plain.length > 0) {
        const each = plain[random(plain.length)];
        assert.ok(each !== undefined);
        rows.setHeight(each, random(100));
      } else {
        for (const each of some) rows.push(each);
        plain.push(...some);
      }
    }
    assert.deepEqual([...rows].map((each) => each.name), plain.map((each) => each.name));
    assert.equal(rows.length, plain.length);
    assert.equal(rows.height, plain.reduce((sum, each) => sum + each.height, 0));
  }
});

test("a window of rows contains the visible ones and no more than some around them", () => {
  assert.deepEqual(toWindow(100_000, 38, 0, 380), { first: 0, end: 20 });
  assert.deepEqual(toWindow(100_000, 38, 38_000, 380), { first: 990, end: 1020 });
  assert.deepEqual(toWindow(5, 38, 0, 380), { first: 0, end: 5 });
  assert.deepEqual(toWindow(0, 38, 0, 380), { first: 0, end: 0 });
});
