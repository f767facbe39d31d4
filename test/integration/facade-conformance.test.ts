// The facade keeps its OpenAPI document: schemathesis sends thousands of requests that the document allows, and that it
// forbids, to a real one, and judges every answer by the document.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Endpoint } from "../../src/facade/endpoint.ts";
import { endpoints } from "../../src/facade/endpoints.ts";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { findFreePort } from "../../src/local/free-port.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createCommandLine } from "../support/command-line.ts";
import { installSchemathesis, schemathesisConfigPath } from "../support/schemathesis.ts";
import { waitUntil } from "../support/wait-until.ts";
import { environmentOf } from "../support/rig-environment.ts";

const minutes = (count: number): number => count * 60_000;
let rig: BackupRig;
let facade: ChildProcess;
let url: string;
let logPath: string;
let token: string;
let organizationId: string;
let python: string;

beforeAll(async () => {
  python = await installSchemathesis(cacheFolder(process.env));
  rig = await createBackupRig();
  [organizationId = ""] = rig.organizationIds;
  await rig.startWorker();
  await rig.backUp(organizationId);
  const environment = {
    ...environmentOf(rig),
    BACKUP_AUTH_SECRET: randomBytes(32).toString("hex"),
    PORT: String(await findFreePort()),
  };
  const commands = createCommandLine(environment);
  const made = await commands.json(["token", "--role", "owner", "--organization", organizationId]);
  ({ token } = made.json);
  // Its log goes to a file: a reader that is late with a pipe would hold up the facade.
  logPath = join(rig.folder, "facade.log");
  const log = await open(logPath, "w");
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  facade = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, "api"], {
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...environment },
    stdio: ["ignore", log.fd, log.fd],
  });
  await log.close();
  url = `http://127.0.0.1:${environment.PORT}`;
  await waitUntil("the facade is ready", async () => (await readFile(logPath, "utf8")).includes("facade ready"));
}, minutes(10));

afterAll(async () => {
  if (facade !== undefined && facade.exitCode === null) {
    facade.kill("SIGKILL");
    await once(facade, "exit");
  }
  await rig?.close();
});

interface Report {
  readonly complete: boolean;
  readonly operations: { readonly tested: number };
  readonly phases: Readonly<Record<string, { readonly status: string }>>;
  readonly test_cases: { readonly generated: number };
  readonly failures: readonly unknown[];
}

test(
  "every answer is one that the document states, and what it forbids is refused",
  async () => {
    // The document's example of an organization, made one that is there: else most requests would end at a 404.
    const document = await (await fetch(`${url}/openapi.json`)).text();
    expect(document).toContain('"org-1"');
    const documentPath = join(rig.folder, "openapi.json");
    await writeFile(documentPath, document.replaceAll('"org-1"', JSON.stringify(organizationId)));
    const reportPath = join(rig.folder, "report.json");
    const { code, output } = await schemathesis(
      `--config-file ${schemathesisConfigPath} run ${documentPath} --url ${url}
       --max-examples 20 --seed 1 --generation-deterministic --workers 1 --request-timeout 60 --continue-on-failure
       --report json --report-json-path ${reportPath} --no-color`.split(/\s+/),
    );
    if (code !== 0) throw new Error(output);
    const report = JSON.parse(await readFile(reportPath, "utf8")) as Report;
    expect(report).toMatchObject({ complete: true, operations: { tested: endpoints.length }, failures: [] });
    expect(Object.values(report.phases).map(({ status }) => status)).toEqual(Array(4).fill("success"));
    expect(report.test_cases.generated).toBeGreaterThan(50 * endpoints.length);
  },
  minutes(15),
);

/** Besides everything that can be read without naming a thing. */
const surelyDone = new Set(
  `openSession, closeSession, readOrganization, createPolicy, readPolicy, replacePolicy, pausePolicy, resumePolicy,
   readBackup, readJob, watchJob, startRestore, readRestore`.split(/,\s+/),
);

test("which was no empty proof: what needs no luck to be done was done at least once", async () => {
  const lines = (await readFile(logPath, "utf8")).split("\n").filter((line) => line.startsWith("{"));
  const requests = lines.map((line) => JSON.parse(line) as { method?: string; path?: string; status?: number });
  const isDone = ({ method, path, success }: Endpoint): boolean => {
    const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`);
    return requests.some(
      (each) =>
        each.method?.toLowerCase() === method && each.status === success.status && pattern.test(each.path ?? ""),
    );
  };
  const wanted = endpoints.filter(({ id, method, params }) => surelyDone.has(id) || (method === "get" && !params));
  expect(wanted.length).toBeGreaterThan(surelyDone.size);
  expect(wanted.filter((endpoint) => !isDone(endpoint)).map(({ id }) => id)).toEqual([]);
});

async function schemathesis(parameters: readonly string[]): Promise<{ code: number; output: string }> {
  return await new Promise((resolve) => {
    // Its folder holds what it keeps between runs: here, nothing.
    const env = { ...process.env, FACADE_TOKEN: token };
    const options = { env, cwd: rig.folder, maxBuffer: 64 * 1024 * 1024, timeout: minutes(14) };
    execFile(python, ["-m", "schemathesis.cli", ...parameters], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, output: `${error?.killed === true ? "it took too long\n" : ""}${stdout}${stderr}` });
    });
  });
}
