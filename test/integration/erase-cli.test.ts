// `wedsync-backup erase` as a person or a script runs it.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { join } from "node:path";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createCommandLine } from "../support/command-line.ts";
import { storedUnder } from "../support/erase.ts";
import { environmentOf } from "../support/rig-environment.ts";

let rig: BackupRig;
let cli: ReturnType<typeof createCommandLine>;
let own: string;
let other: string;
let name: string;

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 2, guestsPerWedding: 6, messagesPerWedding: 4 } });
  await rig.startWorker();
  [own = "", other = ""] = rig.organizationIds;
  await rig.backUp(own);
  await rig.backUp(other);
  const [row] = await rig.database.query<{ name: string }>("SELECT name FROM organizations WHERE id = $1", [own]);
  name = row?.name ?? "";
  cli = createCommandLine(environmentOf(rig));
});
afterAll(async () => await rig?.close());

test("shows what would go, and erases nothing unless it is confirmed to the letter", async () => {
  const stored = await storedUnder(rig, own);
  const dry = await cli.json(["erase", "--organization", own, "--dry-run"]);
  expect(dry).toMatchObject({ code: 0, json: { stored: { keys: 1, manifests: 1 }, refusedBy: [], status: null } });
  for (const [parameters, code] of [
    [["--organization", own], "UsageInvalid"],
    [["--organization", own, "--confirm", "yes"], "ErasureUnconfirmed"],
    [["--organization", own, "--confirm", other], "ErasureUnconfirmed"],
    [["--organization", own, "--show-certificate"], "ErasureNotFound"],
    [["--organization", "7f6f1c1e-0000-4b0e-9d52-0f5f5f1b2a01", "--dry-run"], "OrganizationNotFound"],
  ] as const) {
    const { code: exit, json } = await cli.json(["erase", ...parameters]);
    expect(json).toMatchObject({ error: { code } });
    expect(exit).toBe(code === "UsageInvalid" || code === "ErasureUnconfirmed" ? 2 : 1);
  }
  expect(await storedUnder(rig, own)).toEqual(stored);
  const refused = await rig.database.query(
    "SELECT 1 FROM backup.audit_log WHERE action = 'organization.erase' AND outcome = 'refused' AND organization_id = $1",
    [own],
  );
  expect(refused).toHaveLength(2);
});

test("erases by the name, prints a certificate that it can check later, and everything else knows", async () => {
  const erased = await cli.run(["erase", "--organization", own, "--confirm", name]);
  expect(erased).toMatchObject({ code: 0 });
  expect(erased.stdout).toContain("signature: valid; audit log: there, and the log is whole");
  expect(await storedUnder(rig, own)).toEqual([]);
  const shown = await cli.json(["erase", "--organization", own, "--show-certificate"]);
  expect(shown).toMatchObject({
    code: 0,
    json: { certificate: { organizationId: own, orderedBy: "cli", status: "erased" }, proof: { signature: "valid" } },
  });
  for (const parameters of [
    ["backup", "--organization", own],
    ["list", "--organization", own],
    ["show", "latest", "--organization", own],
    ["verify", "--organization", own],
    ["recover", "latest", "--organization", own, "--to", join(rig.folder, "out")],
    ["keys", "verification", "--organization", own],
    ["policy", "create", "--organization", own, "--cron", "0 2 * * *"],
  ])
    expect([parameters[0], (await cli.json(parameters)).json]).toMatchObject([
      parameters[0],
      { error: { code: "OrganizationErased" } },
    ]);
  const all = await cli.run(["backup", "--all"]);
  expect([all.code, all.stdout.includes(own)]).toEqual([0, false]);
  expect(all.stderr).toContain("left out, because their backups were erased: 1 of 2");
});

test("says so when the certificate was changed", async () => {
  await rig.database.query(
    "UPDATE backup.backup_erasures SET certificate = replace(certificate, '\"cli\"', '\"bob\"')",
  );
  const { code, json } = await cli.json(["erase", "--organization", own, "--show-certificate"]);
  expect([code, json]).toMatchObject([3, { proof: { signature: "FORGED", auditLog: "NOT THERE" } }]);
});
