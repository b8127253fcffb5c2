import assert from "node:assert/strict";
import { test } from "node:test";

import { toBase, toPath, toRoute, toToken } from "../src/lib/route";

test("the base is what a proxy puts in front", () => {
  assert.equal(toBase("http://node:8070/ui/assets/main-X.js"), "");
  assert.equal(toBase("https://host/games/node1/ui/assets/main-X.js"), "/games/node1");
  assert.equal(toBase("https://host/ui/node/ui/assets/main-X.js"), "/ui/node");
});

test("pages are found below any base", () => {
  for (const base of ["", "/a/b", "/ui/node"]) {
    assert.equal(toRoute(`${base}/`, "", base).page, "servers");
    assert.equal(toRoute(`${base}/ui/`, "", base).page, "servers");
    assert.deepEqual(toRoute(`${base}/ui/node/tokens`, "", base), { page: "node", tab: "tokens" });
    const found = toRoute(`${base}/ui/c/server-001/files`, "?path=a%2Fb", base);
    assert.ok(found.page === "server");
    assert.deepEqual([found.id, found.tab, found.query.get("path")], ["server-001", "files", "a/b"]);
  }
});

test("a page's path leads back to it", () => {
  const found = toRoute(toPath("/x", "c", "a.b_c-1"), "", "/x");
  assert.ok(found.page === "server" && found.id === "a.b_c-1" && found.tab === "console");
});

test("what is no page is said to be none", () => {
  for (const path of ["/ui/c", "/ui/c/x/unknown", "/ui/node/x", "/ui/what", "/other", "/ui/c/%E0%A4%A", "/ui/c/a/files/more"]) {
    assert.equal(toRoute(path, "", "").page, "unknown", path);
  }
});

test("the token is read from the fragment only", () => {
  assert.equal(toToken("#t=lightd_a%2Bb"), "lightd_a+b");
  for (const fragment of ["", "#", "#t=", "#main", "#x=lightd_a", "#t=%E0%A4%A"]) assert.equal(toToken(fragment), null, fragment);
});
