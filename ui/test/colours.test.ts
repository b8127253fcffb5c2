import assert from "node:assert/strict";
import { test } from "node:test";

import { NONE, RGB } from "../src/console/ansi";
import { contrast, CONTRAST, DARK_GROUND, legible, LIGHT_GROUND, paint, toRgb, type Rgb } from "../src/console/colours";

function read(colour: string | null): Rgb {
  const found = /^rgb\((\d+) (\d+) (\d+)\)$/.exec(colour ?? "");
  assert.ok(found !== null, String(colour));
  return [Number(found[1]), Number(found[2]), Number(found[3])];
}

test("every colour can be read on both pages", () => {
  for (let colour = 0; colour < 256; colour += 1) {
    const { dark, light } = paint(colour, NONE);
    assert.ok(contrast(read(dark), DARK_GROUND) >= CONTRAST, `${String(colour)} on dark`);
    assert.ok(contrast(read(light), LIGHT_GROUND) >= CONTRAST, `${String(colour)} on light`);
  }
});

test("every colour can be read on every ground", () => {
  for (const fg of [NONE, 0, 1, 4, 8, 15, 21, 232, RGB | 0x808080, RGB | 0x00ff00]) {
    for (let bg = 0; bg < 256; bg += 1) {
      const { dark, light, ground } = paint(fg, bg);
      assert.ok(contrast(read(dark), read(ground)) >= CONTRAST, `${String(fg)} on ${String(bg)}`);
      assert.equal(dark, light);
    }
  }
});

test("a colour with enough contrast is not changed", () => {
  assert.deepEqual(legible([255, 255, 0], DARK_GROUND), [255, 255, 0]);
});

test("the cube and the greys are those of xterm", () => {
  assert.deepEqual(toRgb(16), [0, 0, 0]);
  assert.deepEqual(toRgb(208), [255, 135, 0]);
  assert.deepEqual(toRgb(231), [255, 255, 255]);
  assert.deepEqual(toRgb(232), [8, 8, 8]);
  assert.deepEqual(toRgb(255), [238, 238, 238]);
});
