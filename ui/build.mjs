// Builds the web console into lightd/ui: bundled, minified, compressed, and named by the contents.
//
//   node build.mjs            the files, and manifest.json, which names them
//   node build.mjs --tests    the unit tests, into build/tests, for `node --test`

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const OUT = path.join(HERE, "..", "lightd", "ui");

if (process.argv.includes("--tests")) await buildTests();
else await buildConsole();

async function buildTests() {
  const folder = path.join(HERE, "test");
  const entryPoints = readdirSync(folder).filter((name) => name.endsWith(".test.ts")).map((name) => path.join(folder, name));
  const outdir = path.join(HERE, "build", "tests");
  rmSync(outdir, { recursive: true, force: true });
  await build({ entryPoints, outdir, bundle: true, platform: "node", format: "esm", target: "node18", sourcemap: "inline", outExtension: { ".js": ".mjs" }, logLevel: "warning" });
}

async function buildConsole() {
  const result = await build({
    absWorkingDir: HERE,
    entryPoints: ["src/main.ts", "src/style.css"],
    outdir: OUT,
    bundle: true,
    splitting: true,
    format: "esm",
    target: ["es2022", "chrome111", "firefox114", "safari16.4"],
    minify: true,
    legalComments: "none",
    entryNames: "[name]-[hash]",
    chunkNames: "part-[hash]",
    metafile: true,
    write: false,
    logLevel: "warning",
  });
  const licences = toLicences(result.metafile.inputs);
  const files = new Map(result.outputFiles.map((file) => [path.basename(file.path), file.contents]));
  const hash = createHash("sha256").update(licences).digest("hex").slice(0, 8).toUpperCase();
  files.set(`LICENCES-${hash}.txt`, Buffer.from(licences));
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  for (const [name, contents] of files) writeFileSync(path.join(OUT, `${name}.gz`), gzipSync(contents, { level: 9 }));
  const named = (entry) => path.basename(Object.entries(result.metafile.outputs).find(([, output]) => output.entryPoint === entry)[0]);
  const manifest = { script: named("src/main.ts"), style: named("src/style.css"), files: [...files.keys()].sort() };
  // Written last: it says that everything is there.
  writeFileSync(path.join(OUT, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
  report(result.metafile, files, manifest);
}

/** Return the licences of the packages that are in the bundle, as their authors wrote them. */
function toLicences(inputs) {
  const found = new Set();
  for (const input of Object.keys(inputs)) {
    const match = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match !== null) found.add(match[1]);
  }
  return [...found].sort().map((name) => {
    const folder = path.join(HERE, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
    return `${name} ${version} (${license})\n\n${file === undefined ? "" : readFileSync(path.join(folder, file), "utf8").trim()}\n`;
  }).join(`\n${"-".repeat(72)}\n\n`);
}

/** Print what the first page loads, compressed. */
function report(metafile, files, { script, style }) {
  const first = new Set([style]);
  const visit = (name) => {
    if (first.has(name)) return;
    first.add(name);
    const output = Object.entries(metafile.outputs).find(([key]) => path.basename(key) === name)[1];
    for (const each of output.imports) if (each.kind === "import-statement") visit(path.basename(each.path));
  };
  visit(script);
  let total = 0;
  for (const name of first) total += gzipSync(files.get(name), { level: 9 }).length;
  console.log(`lightd/ui: ${files.size} files; the first page loads ${(total / 1000).toFixed(1)} kB`);
}
