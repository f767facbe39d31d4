// The workflow bundle, made once for each version of the workflow sources and kept in the cache folder: bundling takes
// 2 to 7 seconds, loading 0.1.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { WorkflowBundle } from "@temporalio/worker";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** What a workflow can import (see .dependency-cruiser.mjs). */
const sources = [
  "workflows",
  "src/domain",
  "activities/contract.ts",
  "activities/erase-contract.ts",
  "activities/notify-contract.ts",
  "activities/restore-contract.ts",
  "activities/verify-contract.ts",
];

export async function loadWorkflowBundle(cacheDir: string): Promise<WorkflowBundle> {
  const path = join(cacheDir, "workflow-bundles", `${await fingerprint()}.js`);
  const cached = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (cached !== null) return { code: cached };
  const { bundleWorkflowCode } = await import("@temporalio/worker");
  const silent = () => {};
  const bundle = await bundleWorkflowCode({
    workflowsPath: join(root, "workflows/index.ts"),
    workflowInterceptorModules: [join(root, "workflows/trace-run.ts")],
    logger: { trace: silent, debug: silent, info: silent, warn: silent, error: silent, log: silent },
  });
  await mkdir(join(cacheDir, "workflow-bundles"), { recursive: true });
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, bundle.code);
  await rename(draft, path);
  return bundle;
}

async function fingerprint(): Promise<string> {
  const hash = createHash("sha256");
  const { version } = createRequire(import.meta.url)("@temporalio/worker/package.json") as { version: string };
  hash.update(version);
  for (const source of sources) {
    const names = source.endsWith(".ts")
      ? [""]
      : (await readdir(join(root, source))).filter((name) => name.endsWith(".ts")).sort();
    for (const name of names) hash.update(`\0${source}/${name}\0`).update(await readFile(join(root, source, name)));
  }
  return hash.digest("hex").slice(0, 32);
}
