import assert from "node:assert/strict";
import { test } from "node:test";

import { toName, upload, type Progress, type Transport } from "../src/files/upload";

class Lost extends Error {}
class Refused extends Error {}

/** A daemon in memory that loses the connection when it is told to. */
class Daemon {
  stored = 0;
  done = false;
  readonly calls: string[] = [];
  losses: number[] = [];

  constructor(
    readonly size: number,
    private readonly refuses = false,
  ) {}

  toTransport(): Transport {
    return {
      offset: () => {
        this.calls.push("offset");
        return Promise.resolve(this.stored);
      },
      put: (from, to, progress) => {
        this.calls.push(`${String(from)}-${String(to)}`);
        if (this.refuses) return Promise.reject(new Refused());
        assert.ok(from <= this.stored, "a piece begins within what is stored");
        const lost = this.losses.shift();
        if (lost !== undefined && lost > 0) {
          this.stored = Math.min(to, from + lost);
          return Promise.reject(new Lost());
        }
        progress(to - from);
        this.stored = to;
        this.done = to === this.size;
        return Promise.resolve(this.done ? null : to);
      },
      passes: (error) => error instanceof Lost,
      wait: () => {
        this.calls.push("wait");
        return Promise.resolve();
      },
    };
  }
}

const none = (): void => undefined;

test("a file is sent in pieces", async () => {
  const daemon = new Daemon(25);
  await upload(25, daemon.toTransport(), none, 10);
  assert.deepEqual(daemon.calls, ["offset", "0-10", "10-20", "20-25"]);
  assert.ok(daemon.done);
});

test("an empty file is one piece", async () => {
  const daemon = new Daemon(0);
  await upload(0, daemon.toTransport(), none, 10);
  assert.deepEqual(daemon.calls, ["offset", "0-0"]);
});

test("after an interruption it goes on where the daemon is", async () => {
  const daemon = new Daemon(30);
  daemon.losses = [0, 4];
  const seen: Progress[] = [];
  await upload(30, daemon.toTransport(), (now) => seen.push(now), 10);
  assert.deepEqual(daemon.calls, ["offset", "0-10", "10-20", "wait", "offset", "14-24", "24-30"]);
  assert.ok(seen.some((now) => now.stalled));
  assert.deepEqual(seen[seen.length - 1], { sent: 30, stalled: false });
});

test("a file of which a part is there is only completed", async () => {
  const daemon = new Daemon(30);
  daemon.stored = 20;
  await upload(30, daemon.toTransport(), none, 10);
  assert.deepEqual(daemon.calls, ["offset", "20-30"]);
});

test("a file whose last answer was lost is completed by its last piece", async () => {
  const daemon = new Daemon(30);
  daemon.stored = 30;
  await upload(30, daemon.toTransport(), none, 10);
  assert.deepEqual(daemon.calls, ["offset", "20-30"]);
});

test("what does not pass ends the upload", async () => {
  await assert.rejects(upload(5, new Daemon(5, true).toTransport(), none, 10), Refused);
});

test("the name of an upload is the same for the same file, and allowed", () => {
  const name = toName("world/région.mca", 2 ** 31, 1_700_000_000_000);
  assert.equal(name, toName("world/région.mca", 2 ** 31, 1_700_000_000_000));
  assert.match(name, /^[A-Za-z0-9_-]{1,64}$/);
  assert.notEqual(name, toName("world/region.mca", 2 ** 31, 1_700_000_000_000));
  assert.notEqual(name, toName("world/région.mca", 2 ** 31 + 1, 1_700_000_000_000));
});
