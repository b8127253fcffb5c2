import assert from "node:assert/strict";
import { test } from "node:test";

import { toImageBody, type Wish } from "../src/lib/creation";
import { matches, toLabels } from "../src/lib/filter";
import { readBytes, toBytes, toDuration } from "../src/lib/format";
import { BadField, readPairs, toDraft, toMemory, toPatch } from "../src/lib/patch";
import { toSeries } from "../src/lib/series";
import type { Container, Sample } from "../src/lib/types";
import { base, isArchive, join, parent, toCrumbs, toShown } from "../src/files/names";

const row: Container = {
  internal_id: "server-001",
  install_state: "ready",
  state: "running",
  image: "ghcr.io/x/java:21",
  ports: [{ ip: "0.0.0.0", port: 25565, protocol: "tcp", container_port: 25565 }],
  quarantined: false,
  labels: { customer: "42", beta: "" },
  display_name: "Survival",
  volume_id: "v",
  exit: null,
  started_at: 1,
  created_at: 1,
  startup_command: "run",
  start_pattern: null,
  limits: { memory: 1073741824, cpu: 1.5, pids: 256 },
  environment: { MODE: "easy", KEY: "a=b" },
  user: "988:988",
  tty: true,
  stop: { type: "signal", value: "SIGTERM", timeout: 10 },
  restart_policy: { mode: "never", max: 3, within: 60 },
  read_only: null,
  pull: "missing",
  error: null,
  updated_at: 1,
  version: 3,
};

test("settings that were not changed are not sent", () => {
  assert.deepEqual(toPatch(toDraft(row), toDraft(row)), {});
});

test("a changed setting is sent as a whole", () => {
  const before = toDraft(row);
  assert.deepEqual(toPatch(before, { ...before, memory: "2 GiB", pids: "" }), { limits: { memory: 2147483648, cpu: 1.5 } });
  assert.deepEqual(toPatch(before, { ...before, display_name: " ", start_pattern: "Done" }), { display_name: null, start_pattern: "Done" });
  assert.deepEqual(toPatch(before, { ...before, environment: "KEY=a=b\n\nNEW=" }), { environment: { KEY: "a=b", NEW: "" } });
  assert.deepEqual(toPatch(before, { ...before, stop_timeout: "30" }), { stop: { type: "signal", value: "SIGTERM", timeout: 30 } });
});

test("a setting that is none names its field", () => {
  const before = toDraft(row);
  for (const [field, text] of [["memory", "lots"], ["cpu", "-1"], ["pids", "1.5"], ["environment", "NOPE"], ["stop_timeout", ""], ["restart_max", "x"]] as const) {
    assert.throws(() => toPatch(before, { ...before, [field]: text }), (error) => error instanceof BadField && error.field === field, field);
  }
  assert.throws(() => readPairs("A=1\nA=2", "environment", true), /twice/);
});

test("labels may have no value, and values may be equal to names of Object", () => {
  assert.deepEqual(readPairs("beta\nconstructor=1", "labels", false), { beta: "", constructor: "1" });
});

test("sizes are read as people type them", () => {
  for (const [text, bytes] of [["512", 512], ["1K", 1024], ["1.5 GiB", 1610612736], ["512 MiB", 536870912], ["2gb", 2147483648]] as const) assert.equal(readBytes(text), bytes, text);
  for (const text of ["", "x", "-1", "1 X", "1e3"]) assert.equal(readBytes(text), null, text);
  assert.equal(readBytes(toMemory(1073741824)), 1073741824);
  assert.equal(readBytes(toMemory(1000)), 1000);
});

test("numbers are shown shortly", () => {
  assert.deepEqual([0, 1023, 1024, 1536, 123456789].map(toBytes), ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "118 MiB"]);
  assert.deepEqual([5, 65, 3700, 200000].map(toDuration), ["5 s", "1 min", "1 h 1 min", "2 d 7 h"]);
});

test("servers are filtered by words, state and label", () => {
  const fits = (filter: Partial<Parameters<typeof matches>[2]>): boolean => matches(row, "running", { text: "", states: [], labels: [], ...filter });
  for (const filter of [{}, { text: "surv 25565" }, { text: "JAVA" }, { states: ["running"] }, { labels: ["customer"] }, { labels: ["customer=42", "beta"] }]) assert.ok(fits(filter), JSON.stringify(filter));
  for (const filter of [{ text: "surv nope" }, { states: ["offline"] }, { labels: ["customer=4"] }, { labels: ["toString"] }]) assert.ok(!fits(filter), JSON.stringify(filter));
  assert.deepEqual(toLabels([row.labels, { customer: "7" }]), ["beta", "customer=42", "customer=7"]);
});

const wish: Wish = {
  internal_id: "s1",
  display_name: "",
  image: " busybox ",
  startup_command: "sh",
  start_pattern: "",
  environment: "",
  labels: "",
  memory: "",
  cpu: "",
  pids: "",
  install_script: "",
  stop_type: "command",
  stop_value: "",
};

test("a creation has only what was filled in", () => {
  assert.deepEqual(toImageBody(wish, [], "v"), { internal_id: "s1", volume_id: "v", ports: [], image: "busybox", startup_command: "sh" });
  const full = toImageBody({ ...wish, environment: "A=1", labels: "x", memory: "1G", stop_value: "stop" }, [{ ip: "::", port: 1, protocol: "udp" }], "v");
  assert.deepEqual(full["stop"], { type: "command", value: "stop", timeout: 30 });
  assert.deepEqual([full["limits"], full["labels"], full["environment"]], [{ memory: 1073741824 }, { x: "" }, { A: "1" }]);
  assert.throws(() => toImageBody({ ...wish, internal_id: "-x" }, [], "v"), BadField);
});

const sample = (at: number, rx: number, uptime: number): Sample => ({
  at, cpu_usage: 1, memory_usage: 2, network_rx: rx, network_tx: 0, block_read: 0, block_write: 0, uptime, pids: null,
});

test("counters become rates, and missing samples gaps", () => {
  const { at, received, cpu } = toSeries([sample(0, 100, 10), sample(10, 300, 20), sample(40, 900, 50), sample(50, 1000, 60)], 10);
  assert.deepEqual(at, [0, 10, 20, 40, 50]);
  assert.deepEqual(received, [null, 20, null, null, 10]);
  assert.deepEqual(cpu, [1, 1, null, 1, 1]);
});

test("a counter that begins anew with a restart is no rate", () => {
  assert.deepEqual(toSeries([sample(0, 900, 100), sample(10, 1000, 3)], 10).received, [null, null]);
  assert.deepEqual(toSeries([sample(0, 900, 100), sample(10, 5, 110)], 10).received, [null, null]);
});

test("names and paths of a volume", () => {
  assert.equal(join("", "a"), "a");
  assert.equal(join("a/b", "c"), "a/b/c");
  assert.deepEqual([parent("a/b/c"), parent("a"), base("a/b")], ["a/b", "", "b"]);
  assert.deepEqual(toCrumbs("a/b"), [{ name: "a", path: "a" }, { name: "b", path: "a/b" }]);
  assert.equal(toShown("caf\uf0e9"), "caf\\xe9");
  assert.equal(toShown("d\uf03ax"), "d:x");
  assert.deepEqual(["a.tar.gz", "a.zip", "a.jar", "zip"].map(isArchive), [true, true, false, false]);
});
