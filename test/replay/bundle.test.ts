// The workflows' bundle, made afresh: it must hold nothing that differs between two runs of the same history.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bundleWorkflowCode } from "@temporalio/worker";
import { loadWorkflowBundle } from "../../src/worker/bundle-workflows.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wedsync-backup-bundle-"));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

/** The names by which webpack's output asks for modules from outside. */
const outside = (code: string): string[] =>
  [...code.matchAll(/\brequire\(["']([^"']+)["']\)/g)].map(([, name]) => name as string);
const isBuiltIn = (name: string): boolean => name.startsWith("node:") || builtinModules.includes(name);

test("no Node built-in is in it, and of ours only workflows, the domain and contracts", async () => {
  const bundle = await loadWorkflowBundle(folder);
  const code = "code" in bundle ? bundle.code : "";
  expect(outside(code).filter(isBuiltIn)).toEqual([]);
  const own = [...new Set([...code.matchAll(/"(\.\/[^"\s]+\.ts)"/g)].map(([, path]) => path as string))];
  expect(own).toContain("./workflows/backup-organization.ts");
  expect(own.filter((path) => !/^\.\/(workflows|src\/domain|activities\/[a-z-]*contract\.ts)/.test(path))).toEqual([]);
});

test("a workflow that imports one is not bundled", async () => {
  const path = join(folder, "reads-files.ts");
  await writeFile(
    path,
    'import { readFileSync } from "node:fs";\nexport const readsFiles = async () => readFileSync;\n',
  );
  const silent = () => {};
  const logger = { trace: silent, debug: silent, info: silent, warn: silent, error: silent, log: silent };
  await expect(bundleWorkflowCode({ workflowsPath: path, logger })).rejects.toThrow();
});
