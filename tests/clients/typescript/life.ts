// The life of a container with the generated types: `node life.js URL TOKEN IMAGE PORT`. Prints one JSON line.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[] };
const [url = "", token = "", image = "", port = ""] = process.argv.slice(2);
const id = "typescript-001";
const client = createClient<paths>({
  baseUrl: url,
  headers: { Authorization: `Bearer ${token}`, Accept: "Application/vnd.pkglatv1+json" },
});

async function ok<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (data === undefined) throw new Error(`${response.status} ${JSON.stringify(error)}`);
  return data;
}

const first = Number(port);
const range: components["schemas"]["PortRange"] = { ip: "127.0.0.1", from: first, to: first + 1, protocol: "tcp" };
const list: components["schemas"]["PortList"] = { ports: [{ ip: "127.0.0.1", port: first, protocol: "udp" }] };
const ranged = await ok(client.POST("/network/ports/bulk", { body: range }));
const listed = await ok(client.POST("/network/ports/bulk", { body: list }));
const volume = await ok(client.POST("/volumes", { body: { size: null } }));
const wait = { path: { internal_id: id }, query: { wait: 120 } };
const created = await ok(client.POST("/containers", {
  params: { query: { wait: 120 } },
  body: {
    internal_id: id,
    image,
    volume_id: volume.volume_id,
    startup_command: 'echo Ready; while read -r line; do [ "$line" = stop ] && exit; echo "got: $line"; done',
    stop: { type: "command", value: "stop" },
    start_pattern: "Ready",
    ports: [{ ip: "127.0.0.1", port: first, protocol: "tcp" }],
  },
}));
const started = await ok(client.POST("/containers/{internal_id}/start", { params: wait }));
const one: components["schemas"]["OneCommand"] = { command: "say one" };
const several: components["schemas"]["Commands"] = { commands: ["say two", "say three"] };
const here = { path: { internal_id: id } };
const sent = await ok(client.POST("/containers/{internal_id}/command", { params: here, body: one }));
const more = await ok(client.POST("/containers/{internal_id}/command", { params: here, body: several }));
const shown = await ok(client.GET("/containers/{internal_id}", { params: { path: { internal_id: id } } }));
const logs = await ok(client.GET("/containers/{internal_id}/logs", { params: { path: { internal_id: id }, query: { lines: 10 } } }));
const missing = await client.GET("/containers/{internal_id}", { params: { path: { internal_id: "nobody" } } });
const stopped = await ok(client.POST("/containers/{internal_id}/stop", { params: wait }));
const deleted = await ok(client.DELETE("/containers/{internal_id}", { params: { path: { internal_id: id } } }));
console.log(JSON.stringify({
  ports: ranged.count + listed.count,
  created: created.status,
  started: started.status,
  commands: sent.count + more.count,
  state: shown.state,
  memory: shown.limits?.memory ?? null,
  logs: logs.lines.map((line) => line.text),
  missing: missing.error?.code,
  stopped: stopped.status,
  deleted: deleted.message,
}));
