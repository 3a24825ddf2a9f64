// Builds the dashboard into built/: a small script that asks, a large one that draws, what both share, one style sheet,
// and the page that loads them, each also compressed.
// Names of assets carry a hash of their content, so that browsers may keep them for ever.

import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const made = join(here, `built.${process.pid}`);
const built = join(here, "built");

const usual = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  define: { Intl: "PlainIntl" },
  inject: [join(here, "src/charts/intl.ts")],
};

async function bundle() {
  const { metafile } = await build({
    ...usual,
    entryPoints: { ask: "src/ask.ts", app: "src/app.tsx", icon: "src/icon.svg" },
    format: "esm",
    splitting: true,
    chunkNames: "shared-[hash]",
    loader: { ".svg": "copy" },
    outdir: join(made, "assets"),
    entryNames: "[name]-[hash]",
    metafile: true,
  });
  return metafile;
}

// A report is one file: its script and its style are written into it, and the server adds what it is about.
async function writeReport() {
  const { outputFiles } = await build({
    ...usual,
    entryPoints: ["src/report.tsx"],
    format: "iife",
    outdir: made,
    write: false,
  });
  const [script, style] = [".js", ".css"].map((end) => outputFiles.find((file) => file.path.endsWith(end)).text);
  const page = await readFile(join(here, "src/report.html"), "utf8");
  const safe = script.replaceAll("</script", "<\\/script");
  await writeFile(
    join(made, "report.html"),
    page.replace("{style}", () => style.trim()).replace("{script}", () => safe),
  );
}

// The page refers to its assets by their names, and to the address of the service by a mark that the server fills in.
async function writePage() {
  let page = await readFile(join(here, "src/index.html"), "utf8");
  for (const name of await readdir(join(made, "assets"))) {
    const plain = name.replace(/-[A-Z0-9]+\./, ".");
    page = page.replace(`/${plain}"`, `/${name}"`);
  }
  await writeFile(join(made, "index.html"), page);
}

async function compress() {
  for (const name of await readdir(join(made, "assets"))) {
    const path = join(made, "assets", name);
    const content = await readFile(path);
    const best = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
    await writeFile(`${path}.gz`, gzipSync(content, { level: 9 }));
    await writeFile(`${path}.br`, brotliCompressSync(content, best));
  }
}

// What others wrote goes out with its licence.
async function writeLicences(metafile) {
  const packages = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const found = input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (found) packages.add(found[1]);
  }
  const texts = [];
  for (const name of [...packages].sort()) {
    const folder = join(here, "node_modules", name);
    const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
    if (file) texts.push(`${name}\n\n${await readFile(join(folder, file), "utf8")}`);
  }
  await writeFile(join(made, "licences.txt"), texts.join("\n\n"));
}

async function replaceBuilt() {
  await rm(built, { recursive: true, force: true });
  await rename(made, built);
}

await mkdir(made, { recursive: true });
try {
  const metafile = await bundle();
  await writePage();
  await writeReport();
  await compress();
  await writeLicences(metafile);
  await replaceBuilt();
} finally {
  await rm(made, { recursive: true, force: true });
}
