// The backup commands from end to end, each a process of its own: what a person types, what a script parses, what a
// monitor sees as the exit code. And what nobody may see: keys and passwords, in any output or argument.
import { randomBytes, randomUUID } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ScheduleNotFoundError } from "@temporalio/client";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { connectClient, type ConnectedClient } from "../../src/client/connect.ts";
import { scheduleIdPrefix } from "../../src/domain/policy.ts";
import { samplePresets } from "../../src/samples/sample-size.ts";
import { createCommandLine, type RunningCommand } from "../support/command-line.ts";
import { createNamespace } from "../support/temporal-namespace.ts";
import { createWeddings } from "../support/sample-weddings.ts";
import type { TestDatabase } from "../support/test-database.ts";

const key = randomBytes(32).toString("base64");
const newKey = randomBytes(32).toString("base64");
const authSecret = randomBytes(32).toString("hex");
const namespace = `test-${randomBytes(6).toString("hex")}`;
const nowhere = { TEMPORAL_ADDRESS: "127.0.0.1:1", BACKUP_SOURCE_DATABASE_URL: "postgres://a:b@127.0.0.1:1/none" };
/** Runs that need the bucket and the key have these alone. */
let storage: Record<string, string>;
let folder: string;
let database: TestDatabase;
let organizationIds: readonly string[];
let one: string;
let connected: ConnectedClient;
let commands: ReturnType<typeof createCommandLine>;
let worker: RunningCommand;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wedsync-backup-cli-"));
  const mediaDir = join(folder, "media");
  const made = await createWeddings({ seed: 11, mediaDir });
  database = made.database;
  organizationIds = made.organizationIds.toSorted(); // as the command orders them
  [one = ""] = organizationIds;
  const address = process.env["TEST_TEMPORAL_ADDRESS"] ?? "";
  await createNamespace(address, namespace);
  connected = await connectClient({ address, namespace, apiKey: null, tls: null });
  storage = {
    BACKUP_STORAGE_BUCKET: join(folder, "store"),
    BACKUP_ENCRYPTION_KEY: key,
    BACKUP_DATA_DIR: join(folder, "data"),
  };
  commands = createCommandLine({
    ...storage,
    BACKUP_SOURCE_DATABASE_URL: database.url,
    BACKUP_MEDIA_URL: mediaDir,
    BACKUP_AUTH_SECRET: authSecret,
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
  });
  worker = commands.start(["worker"]);
  await worker.says("worker ready");
});
afterAll(async () => {
  worker?.signal("SIGKILL");
  await worker?.ended;
  await connected?.close();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

test("one organization is backed up, then all of them", async () => {
  expect(await commands.json(["backup", "-o", one])).toMatchObject({
    code: 0,
    json: { organizationId: one, sequence: 1, status: "completed", proof: "content" },
  });
  const { code, json } = await commands.json(["backup", "--all", "--proof", "integrity"]);
  const runs = json as { organizationId: string; sequence: number; proof: string }[];
  expect(code).toBe(0);
  expect(runs.map((run) => [run.organizationId, run.sequence, run.proof])).toEqual(
    organizationIds.map((id) => [id, id === one ? 2 : 1, "integrity"]),
  );
});

test("they are listed and shown", async () => {
  const { json } = await commands.json(["list"]);
  const { backups } = json as { backups: { organizationId: string; proven: string; rows: number }[] };
  expect(backups).toHaveLength(organizationIds.length + 1);
  expect(backups.filter((each) => each.organizationId === one).map((each) => each.proven)).toEqual([
    "content",
    "integrity",
  ]);
  const [row] = await database.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM guests WHERE organization_id = $1",
    [one],
  );
  const shown = await commands.json(["show", "latest", "-o", one]);
  const { tables } = shown.json as { tables: { table: string; rows: number }[] };
  expect(tables.find((each) => each.table === "public.guests")?.rows).toBe(row?.count);
  const human = await commands.run(["list", "-o", one]);
  expect([human.code, human.stdout]).toEqual([0, expect.stringContaining("complete")]);
});

test("the bucket and the key alone prove, list and recover; the database and Temporal may be gone", async () => {
  const content = await commands.json(["verify", "1", "-o", one, "--level", "content"], nowhere);
  expect(content).toMatchObject({ code: 0, json: [{ organizationId: one, level: "content", problems: [] }] });
  const integrity = await commands.json(["verify"], nowhere);
  expect(integrity.code).toBe(0);
  expect(integrity.json).toHaveLength(organizationIds.length);
  expect((await commands.json(["list"], nowhere)).code).toBe(0);

  const to = join(folder, "recovered");
  const recovered = await commands.json(["recover", "latest", "-o", one, "--to", to], nowhere);
  expect(recovered).toMatchObject({ code: 0, json: { sequence: 2, complete: true, folder: { folder: to } } });
  const { folder: done } = recovered.json as { folder: { rows: number; files: number } };
  expect(done.files).toBe(samplePresets.test.photosPerWedding);
  expect(await readFile(join(to, "manifest.json"), "utf8")).toContain(one);
  // What is there already is never written over.
  const again = await commands.json(["recover", "latest", "-o", one, "--to", to], nowhere);
  expect(again).toMatchObject({ code: 2, json: { error: { code: "RecoverTargetNotEmpty" } } });
});

test("of a bucket with a broken object, --salvage recovers the rest, says what is lost, and ends with 4", async () => {
  const copy = join(folder, "broken-store");
  await cp(storage["BACKUP_STORAGE_BUCKET"] ?? "", copy, { recursive: true });
  const packs = join(copy, "organizations", one, "packs");
  const [pack = ""] = (await readdir(packs)).sort();
  const bytes = await readFile(join(packs, pack));
  const middle = bytes.length >> 1;
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
  await rm(join(packs, pack));
  await writeFile(join(packs, pack), bytes);

  const broken = { ...nowhere, BACKUP_STORAGE_BUCKET: copy };
  const recover = ["recover", "latest", "-o", one, "--to"];
  const plain = await commands.json([...recover, join(folder, "whole")], broken);
  expect(plain).toMatchObject({
    code: 3,
    json: { error: { code: "ObjectCorrupt", message: expect.stringContaining("--salvage") } },
  });
  const to = join(folder, "salvaged");
  const { code, json } = await commands.json([...recover, to, "--salvage"], broken);
  const { lost, rows } = (json as { folder: { lost: { name: string; heldBy: null }[]; rows: number } }).folder;
  expect([code, lost.length > 0, rows > 0]).toEqual([4, true, true]);
  const told = await readFile(join(to, "LOST.txt"), "utf8");
  for (const { name, heldBy } of lost) {
    expect(told).toContain(name);
    expect(heldBy).toBeNull(); // the backup before it counts on the same object
  }
  // It is a folder's business alone.
  const elsewhere = ["recover", "latest", "-o", one, "--to-database", "postgres://127.0.0.1:1/none", "--salvage"];
  expect(await commands.json(elsewhere, broken)).toMatchObject({ code: 2, json: { error: { code: "UsageInvalid" } } });
});

test("the newest backup was taken away: verify says so from the control tables, and without them what it can't know", async () => {
  const copy = join(folder, "rolled-back-store");
  await cp(storage["BACKUP_STORAGE_BUCKET"] ?? "", copy, { recursive: true });
  await rm(join(copy, "organizations", one, "manifests", "0000000002"));
  const verify = ["verify", "-o", one];
  const found = await commands.json(verify, { BACKUP_STORAGE_BUCKET: copy });
  expect(found).toMatchObject({ code: 3, json: [{ problems: [{ code: "RepositoryRolledBack" }] }] });
  const alone = await commands.run(verify, { ...nowhere, BACKUP_STORAGE_BUCKET: copy });
  expect([alone.code, alone.stderr]).toEqual([0, expect.stringContaining("whether a newer backup was taken away")]);
});

test("a manifest, a key and the repository's record that are damaged or gone: each says how to go on", async () => {
  const copy = join(folder, "ruined-store");
  const environment = { ...nowhere, BACKUP_STORAGE_BUCKET: copy };
  const ruin = async (name: string, bytes: string | null): Promise<void> => {
    await rm(copy, { recursive: true, force: true });
    await cp(storage["BACKUP_STORAGE_BUCKET"] ?? "", copy, { recursive: true });
    await rm(join(copy, name), { recursive: true });
    if (bytes !== null) await writeFile(join(copy, name), bytes);
  };
  const recover = ["recover", "latest", "-o", one, "--to", join(folder, "from-ruins")];
  const cases = [
    [`organizations/${one}/manifests/0000000002`, "", "ObjectCorrupt", /wedsync-backup list names those that can/],
    [`organizations/${one}/keys`, null, "ObjectMissing", /Bring organizations\/.*\/keys\/ back from a copy/],
    ["repository", null, "ObjectMissing", /lost its record \(repository\)\. Bring that object back/],
    ["repository", "{}", "ObjectCorrupt", /Bring it back from a copy of the store/],
  ] as const;
  for (const [name, bytes, code, message] of cases) {
    await ruin(name, bytes);
    const refused = await commands.json(recover, environment);
    expect([name, refused.code]).toEqual([name, 3]);
    expect(refused.json).toMatchObject({ error: { code, message: expect.stringMatching(message) } });
  }
  // The one before is whole; and an object's name stands once in what verify finds.
  await ruin(cases[0][0], "");
  expect((await commands.json(["show", "1", "-o", one], environment)).code).toBe(0);
  const { json } = await commands.json(["verify", "-o", one], environment);
  expect((json as { problems: { message: string }[] }[])[0]?.problems.map(({ message }) => message)).toEqual([
    "it is not a sealed object",
  ]);
}, 120_000);

test("a verification key proves its own organization without the key, and reads nothing", async () => {
  const { json } = await commands.json(["keys", "verification", "-o", one]);
  const { verificationKey } = json as { verificationKey: string };
  const alone = { ...nowhere, BACKUP_ENCRYPTION_KEY: "", BACKUP_VERIFICATION_KEY: verificationKey };
  const proven = await commands.json(["verify", "-o", one], alone);
  expect(proven).toMatchObject({ code: 0, json: [{ organizationId: one, level: "integrity", problems: [] }] });
  const [, other = ""] = organizationIds;
  const foreign = await commands.json(["verify", "-o", other], alone);
  expect(foreign.code).not.toBe(0);
  const unnamed = await commands.json(["verify"], alone);
  expect(unnamed).toMatchObject({ code: 2, json: { error: { code: "UsageInvalid" } } });
  // A folder repository makes a key where none is set; that one must not open this repository either.
  const content = await commands.json(["verify", "-o", one, "--level", "content"], alone);
  expect(content).toMatchObject({ code: 1, json: { error: { code: "EncryptionKeyWrong" } } });
});

test("a catalogue is suggested for the schema, says what it can't know, and fits once that is told", async () => {
  const { code, stdout } = await commands.run(["catalogue", "suggest", "--root", "public.organizations"]);
  expect([code, stdout]).toEqual([0, expect.stringContaining("# look at: public.comments: looks polymorphic")]);
  const path = join(folder, "catalogue.yaml");
  await writeFile(path, stdout);
  const check = ["catalogue", "check", "--no-backups"];
  expect(await commands.json(check, { BACKUP_CATALOGUE: path })).toMatchObject({
    code: 1,
    json: { error: { code: "TableUnclassified", details: { tables: ["public.comments"] } } },
  });
  const { polymorphic } = await readBuiltInCatalogue();
  const dataSet = { name: "comments", title: "Comments", priority: 2, tables: ["public.comments"] };
  const told = stdout
    .replace("polymorphic: []", `polymorphic: ${JSON.stringify(polymorphic)}`)
    .replace("dataSets:\n", `dataSets:\n  - ${JSON.stringify(dataSet)}\n`);
  await writeFile(path, told);
  expect(await commands.json(check, { BACKUP_CATALOGUE: path })).toMatchObject({
    code: 0,
    json: { fits: true, backups: null },
  });
  const shown = await commands.json(["catalogue", "show"], { BACKUP_CATALOGUE: path });
  const { classifications } = shown.json as { classifications: { table: string; role: string }[] };
  const roles = new Map(classifications.map((each) => [each.table, each.role]));
  expect([shown.code, roles.get("public.organizations"), roles.get("public.comments")]).toEqual([
    0,
    "root",
    "polymorphic",
  ]);
});

test("doctor tries every part, and fails with the one that is not well", async () => {
  const well = await commands.json(["doctor"]);
  expect([well.code, (well.json as { state: string }[]).map((each) => each.state)]).toEqual([
    0,
    expect.not.arrayContaining(["fail"]),
  ]);
  const fresh = await commands.json(["doctor"], { BACKUP_STORAGE_BUCKET: join(folder, "no-repository-yet") });
  const repository = (fresh.json as { part: string; detail: string }[]).find(({ part }) =>
    part.startsWith("repository"),
  );
  expect([fresh.code, repository?.detail]).toEqual([0, expect.stringContaining("the first backup makes it")]);
  const ill = await commands.json(["doctor"], { BACKUP_SOURCE_DATABASE_URL: nowhere.BACKUP_SOURCE_DATABASE_URL });
  const failed = (ill.json as { part: string; state: string }[]).filter((each) => each.state === "fail");
  expect([ill.code, failed.map((each) => each.part)]).toEqual([1, ["source database", "control tables"]]);
});

test("a policy is a schedule in Temporal, from its making to its end", async () => {
  const made = await commands.json([
    "policy",
    "create",
    "-o",
    one,
    "--cron",
    "15 3 * * *",
    "--time-zone",
    "Europe/Berlin",
  ]);
  expect(made).toMatchObject({ code: 0, json: { schedule: "created", organizationId: one } });
  const { id } = made.json as { id: string };
  const scheduleIds: string[] = [];
  for await (const { scheduleId } of connected.client.schedule.list()) scheduleIds.push(scheduleId);
  const [scheduleId = ""] = scheduleIds.filter((each) => each.startsWith(scheduleIdPrefix) && each.includes(id));
  const handle = connected.client.schedule.getHandle(scheduleId);
  const { spec, state, info } = await handle.describe();
  expect([spec.timezone, state.paused]).toEqual(["Europe/Berlin", false]);
  expect(info.nextActionTimes[0]?.getTime()).toBeGreaterThan(Date.now());

  expect((await commands.json(["policy", "pause", id])).code).toBe(0);
  expect((await handle.describe()).state.paused).toBe(true);
  const listed = await commands.json(["policy", "list", "-o", one]);
  expect(listed.json).toMatchObject([{ id, paused: true, schedule: { paused: true } }]);
  expect((await commands.json(["policy", "resume", id])).code).toBe(0);
  expect((await handle.describe()).state.paused).toBe(false);
  expect((await commands.json(["policy", "delete", id])).code).toBe(0);
  await expect(handle.describe()).rejects.toBeInstanceOf(ScheduleNotFoundError);
  const gone = await commands.json(["policy", "pause", id]);
  expect(gone).toMatchObject({ code: 1, json: { error: { code: "PolicyNotFound" } } });
});

test("a token is for one organization, or for the platform", async () => {
  const { code, json } = await commands.json(["token", "-o", one, "--role", "viewer", "--hours", "1"]);
  const { token } = json as { token: string };
  const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as object;
  expect([code, claims]).toMatchObject([0, { role: "viewer", organization_id: one, iss: "wedsync-backup" }]);
  expect(await commands.json(["token", "--role", "viewer"])).toMatchObject({
    code: 2,
    json: { error: { code: "UsageInvalid", message: expect.stringContaining("--organization") } },
  });
});

interface Refusal {
  readonly what: string;
  readonly parameters: () => string[];
  readonly environment?: () => Record<string, string>;
  readonly code: string;
  readonly exitCode: number;
  /** What the message must name, for a person to know what to do. */
  readonly advice: RegExp;
}

const stranger = randomUUID();
const refusals: Refusal[] = [
  {
    what: "a wrong key",
    parameters: () => ["list"],
    environment: () => ({ BACKUP_ENCRYPTION_KEY: newKey }),
    code: "EncryptionKeyWrong",
    exitCode: 1,
    advice: /BACKUP_ENCRYPTION_KEY/,
  },
  {
    what: "a short key",
    parameters: () => ["list"],
    environment: () => ({ BACKUP_ENCRYPTION_KEY: "hush-hush" }),
    code: "EncryptionKeyInvalid",
    exitCode: 2,
    advice: /openssl rand -base64 32/,
  },
  {
    what: "an unknown organization",
    parameters: () => ["backup", "-o", stranger],
    code: "OrganizationNotFound",
    exitCode: 1,
    advice: new RegExp(`${stranger} in public.organizations\\. Give the key`),
  },
  {
    what: "an organization that is no id",
    parameters: () => ["backup", "-o", "smith-and-jones"],
    code: "OrganizationInvalid",
    exitCode: 2,
    advice: /the key of its row in the root table/,
  },
  {
    what: "an unknown backup",
    parameters: () => ["show", "99", "-o", one],
    code: "BackupNotFound",
    exitCode: 1,
    advice: /wedsync-backup list/,
  },
  {
    what: "an unknown provider",
    parameters: () => ["list"],
    environment: () => ({ BACKUP_STORAGE_PROVIDER: "floppy" }),
    code: "ConfigurationInvalid",
    exitCode: 2,
    advice: /BACKUP_STORAGE_PROVIDER must be filesystem or aws/,
  },
  {
    what: "an S3 endpoint that does not answer",
    parameters: () => ["list"],
    environment: () => ({
      BACKUP_STORAGE_PROVIDER: "aws",
      BACKUP_STORAGE_BUCKET: "backups",
      BACKUP_STORAGE_ENDPOINT: "http://127.0.0.1:1",
      AWS_ACCESS_KEY_ID: "access",
      AWS_SECRET_ACCESS_KEY: authSecret,
    }),
    code: "StorageUnreachable",
    exitCode: 75,
    advice: /BACKUP_STORAGE_ENDPOINT/,
  },
  {
    what: "a catalogue that names a missing table",
    parameters: () => ["catalogue", "check", "--no-backups"],
    environment: () => ({ BACKUP_CATALOGUE: join(folder, "missing-table.json") }),
    code: "CatalogueTableMissing",
    exitCode: 2,
    advice: /public\.honeymoons/,
  },
  {
    what: "a source that does not answer",
    parameters: () => ["catalogue", "show"],
    environment: () => nowhere,
    code: "SourceUnreachable",
    exitCode: 75,
    advice: /BACKUP_SOURCE_DATABASE_URL/,
  },
  {
    what: "nothing to back up",
    parameters: () => ["backup"],
    code: "UsageInvalid",
    exitCode: 2,
    advice: /--organization ID.*--all/,
  },
  {
    what: "an option that is not known",
    parameters: () => ["list", "--organisation", one],
    code: "UsageInvalid",
    exitCode: 2,
    advice: /--organization/,
  },
];

beforeAll(async () => {
  const catalogue = await readBuiltInCatalogue();
  catalogue.dataSets[0]?.tables.push("public.honeymoons");
  await writeFile(join(folder, "missing-table.json"), JSON.stringify(catalogue));
});

test.each(refusals)("$what is refused by name, with what to do", async (refusal) => {
  const { code, json } = await commands.json(refusal.parameters(), refusal.environment?.());
  expect([code, json]).toMatchObject([refusal.exitCode, {}]);
  expect((json as { error: object }).error).toMatchObject({
    code: refusal.code,
    message: expect.stringMatching(refusal.advice),
  });
});

test("after a rotation the new key opens everything, and the old one nothing", async () => {
  worker.signal("SIGTERM");
  expect((await worker.ended).code).toBe(0);
  expect(await commands.json(["keys", "rotate"], { BACKUP_NEW_ENCRYPTION_KEY: newKey })).toMatchObject({
    code: 0,
    json: { organizations: organizationIds.length },
  });
  const old = await commands.json(["show", "latest", "-o", one]);
  expect(old).toMatchObject({ code: 1, json: { error: { code: "EncryptionKeyWrong" } } });
  const rotated = { ...nowhere, BACKUP_ENCRYPTION_KEY: newKey };
  const proven = await commands.json(["verify", "-o", one, "--level", "content"], rotated);
  expect(proven).toMatchObject({ code: 0, json: [{ problems: [] }] });
});

test("no key and no password was written, or given as an argument", () => {
  const { written, arguments: lines } = commands.everythingShown();
  expect(lines.filter((line) => line.includes("verify")).length).toBeGreaterThan(0);
  const { password } = new URL(database.url);
  for (const secret of [key, newKey, authSecret, password].filter(Boolean)) {
    expect(written.includes(secret)).toBe(false);
    expect(lines.filter((line) => line.includes(secret))).toEqual([]);
  }
});

interface BuiltInCatalogue {
  readonly dataSets: { tables: string[] }[];
  readonly polymorphic: readonly object[];
}

async function readBuiltInCatalogue(): Promise<BuiltInCatalogue> {
  const path = new URL("../../src/domain/catalogues/wedsync.json", import.meta.url);
  return JSON.parse(await readFile(path, "utf8")) as BuiltInCatalogue;
}
