// One action of ssh2-sftp-client: node client.mjs PORT USER PASSWORD ACTION ARGUMENT…
import { createReadStream, createWriteStream, statSync } from "node:fs";
import Client from "ssh2-sftp-client";

const [port, username, password, action, ...given] = process.argv.slice(2);
const client = new Client();

const actions = {
  putTree: (local, remote) => client.uploadDir(local, remote),
  getTree: (remote, local) => client.downloadDir(remote, local),
  resumePut: async (local, remote) => {
    const { size } = await client.stat(remote);
    await client.append(createReadStream(local, { start: size }), remote);
  },
  resumeGet: async (remote, local) => {
    const start = statSync(local).size;
    const target = createWriteStream(local, { flags: "a" });
    await client.get(remote, target, { readStreamOptions: { start } });
  },
  rename: (from, to) => client.rename(from, to),
  names: async (folder) => console.log((await client.list(folder)).map(({ name }) => name).join("\n")),
  removeTree: (folder) => client.rmdir(folder, true),
  remove: (file) => client.delete(file),
};

await client.connect({ host: "127.0.0.1", port: Number(port), username, password });
try {
  await actions[action](...given);
} finally {
  await client.end();
}
