import assert from "node:assert/strict";
import { test } from "node:test";

import { toAddress } from "../src/files/sftp";

const SFTP = { enabled: true, listening: ["0.0.0.0:2022"], username: "server-001", port: 2022, host_keys: [] };

test("the address has the host of the page", () => {
  assert.equal(toAddress(SFTP, "node.example"), "sftp://server-001@node.example:2022/");
  assert.equal(toAddress(SFTP, "::1"), "sftp://server-001@[::1]:2022/");
  assert.equal(toAddress(SFTP, "[::1]"), "sftp://server-001@[::1]:2022/");
});
