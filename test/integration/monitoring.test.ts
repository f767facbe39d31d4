// The dashboard and the alerts speak of figures that are really told: everything that they name is in a scrape of a facade
// and of a worker that has made a backup. And whoever is woken finds what to do.
import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { followVerification, requestVerification } from "../../src/client/start-verification.ts";
import { findFreePort } from "../../src/local/free-port.ts";
import { startMetrics } from "../../src/facade/metrics.ts";
import { openBoundSessions, readBindingKey } from "../../src/control/bound-sessions.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { startChildWorker, type ChildWorker } from "../support/child-worker.ts";

const folder = "scripts/monitoring";
let rig: BackupRig;
let worker: ChildWorker;
let told: ReadonlySet<string>;

beforeAll(async () => {
  rig = await createBackupRig();
  const metricsAddress = `127.0.0.1:${await findFreePort()}`;
  worker = await startChildWorker(rig, {}, { metricsAddress });
  const [id = ""] = rig.organizationIds;
  await rig.backUp(id);
  // A failed job and a failed run, so that the figures of failures are there, too.
  await rig.control.query(
    `INSERT INTO backup.backup_jobs (id, organization_id, trigger, requested_by, status, workflow_id, proof, finished_at)
     VALUES (gen_random_uuid(), $1, 'cli', 'test', 'failed', 'none', 'none', now())`,
    [id],
  );
  const order = await requestVerification(rig.client, {
    organizationId: "no-such",
    choice: { by: "latest" },
    level: "integrity",
    requestedBy: "test",
  });
  await expect(followVerification(rig.client, order)).rejects.toMatchObject({ code: "BackupNotFound" });
  const sessions = openBoundSessions({ url: rig.database.url, bindingKey: await readBindingKey(rig.control) });
  const facade = await startMetrics(sessions, { port: 0, host: "127.0.0.1" });
  try {
    const scrape = async (url: string): Promise<string> => await (await fetch(url)).text();
    const text = `${await scrape(facade.url)}\n${await scrape(`http://${metricsAddress}/metrics`)}`;
    told = new Set([...text.matchAll(/^([a-z_]\w*)[{ ]/gm)].map(([, name]) => name ?? ""));
  } finally {
    await facade.stop();
    await sessions.close();
  }
});

afterAll(async () => {
  await worker?.end("SIGTERM");
  await rig?.close();
});

/** Names of figures in an expression: what is no function, no label and no keyword. */
const figuresIn = (expression: string): string[] =>
  [...expression.matchAll(/\b(?:wedsync|temporal|process|nodejs)_\w+\b/g)].map(([name]) => name);

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

async function readRules(): Promise<readonly Rule[]> {
  const { groups } = parse(await readFile(`${folder}/alerts.yaml`, "utf8")) as { groups: { rules: Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

test("every figure of an alert is told", async () => {
  const rules = await readRules();
  expect(rules.length).toBeGreaterThan(0);
  for (const { alert, expr } of rules) {
    expect({ alert, figures: figuresIn(expr).length > 0 }).toEqual({ alert, figures: true });
    expect({ alert, unknown: figuresIn(expr).filter((name) => !told.has(name)) }).toEqual({ alert, unknown: [] });
  }
});

test("every figure of the dashboard is told", async () => {
  const { panels } = JSON.parse(await readFile(`${folder}/dashboard.json`, "utf8")) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  expect(panels.length).toBeGreaterThan(0);
  for (const { title, targets } of panels) {
    const figures = targets.flatMap(({ expr }) => figuresIn(expr));
    expect({ title, unknown: figures.filter((name) => !told.has(name)) }).toEqual({ title, unknown: [] });
    expect({ title, figures: figures.length >= targets.length }).toEqual({ title, figures: true });
  }
});

test("every figure of ours is in the dashboard or an alert", async () => {
  const used = figuresIn(
    `${await readFile(`${folder}/dashboard.json`, "utf8")} ${await readFile(`${folder}/alerts.yaml`, "utf8")}`,
  );
  expect([...told].filter((name) => name.startsWith("wedsync_") && !used.includes(name))).toEqual([]);
});

test("every alert has a runbook, and every runbook an alert", async () => {
  const rules = await readRules();
  expect(rules.map(({ annotations }) => annotations.runbook)).toEqual(rules.map(({ alert }) => `runbooks/${alert}.md`));
  expect((await readdir(`${folder}/runbooks`)).sort()).toEqual(rules.map(({ alert }) => `${alert}.md`).sort());
  for (const { alert } of rules) {
    const text = await readFile(`${folder}/runbooks/${alert}.md`, "utf8");
    for (const part of [`# ${alert}`, "## Look", "## Do"]) expect(text).toContain(part);
  }
});
