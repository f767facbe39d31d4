// A table counts as unchanged by Postgres' transaction ids, and those mean something only in one database on one course of
// its history. Here the database is another one, or was set back: under the same name, with as many rows, all of them older
// than the newest backup. Each backup must hold what is there.
import { execFile } from "node:child_process";
import { appendFile, chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createMemoryStore } from "../../src/adapters/object-store/memory.ts";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "../../src/local/embedded-postgres.ts";
import type { SourceDatabase } from "../../src/ports/source-database.ts";
import { readTableRows } from "../../src/repository/read-table.ts";
import { createOrOpenRepository, type Repository } from "../../src/repository/repository.ts";
import { catalogueOf } from "../support/schema-builder.ts";
import { makeStagedBackup } from "../support/staged-backup.ts";
import { createTestDatabase, onServer } from "../support/test-database.ts";
import { waitUntil } from "../support/wait-until.ts";

const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE notes (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, note text);
  INSERT INTO orgs VALUES (1);
  INSERT INTO notes SELECT n, 1, 'as it was' FROM generate_series(1, 50) n`;
const catalogue = catalogueOf(["public.orgs", "public.notes"]);
const write = (url: string, note: string) => onServer(url, "UPDATE notes SET note = $1 WHERE id = 7", [note]);

const makeRepository = (): Promise<Repository> => createOrOpenRepository(createMemoryStore(), "0".repeat(64));

async function backUp(
  repository: Repository,
  url: string,
  faultySource: (source: SourceDatabase) => SourceDatabase = (source) => source,
) {
  const { manifest } = await makeStagedBackup({ url, catalogue, repository, organizationId: "1", faultySource });
  const entry = manifest.tables.find(({ table }) => table === "public.notes");
  if (entry === undefined) throw new Error("the backup has no notes");
  const chunks: Buffer[] = [];
  for await (const chunk of readTableRows(await repository.openVault("1"), manifest, entry)) chunks.push(chunk);
  const note = /^7\t1\t(.*)$/m.exec(Buffer.concat(chunks).toString())?.[1];
  return { note, backupsSinceRead: entry.backupsSinceRead };
}

test("an unchanged table is taken over, and read again at the tenth backup", async () => {
  const database = await createTestDatabase();
  await database.query(schemaSql);
  const repository = await makeRepository();
  const reads: number[] = [];
  for (let night = 1; night <= 11; night++) reads.push((await backUp(repository, database.url)).backupsSinceRead);
  expect(reads).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
  await database.drop();
});

test("beyond the distance at which older and newer ids can't be told apart, it is read", async () => {
  const database = await createTestDatabase();
  await database.query(schemaSql);
  const repository = await makeRepository();
  await backUp(repository, database.url);
  const later = (transactions: bigint) => (source: SourceDatabase) => ({
    ...source,
    holdSnapshot: async (...asked: Parameters<SourceDatabase["holdSnapshot"]>) => {
      const held = await source.holdSnapshot(...asked);
      const oldestTransaction = (BigInt(held.reference.oldestTransaction) + transactions).toString();
      return { ...held, reference: { ...held.reference, oldestTransaction } };
    },
  });
  expect(await backUp(repository, database.url, later(1_400_000_000n))).toMatchObject({ backupsSinceRead: 1 });
  expect(await backUp(repository, database.url, later(3_000_000_000n))).toMatchObject({ backupsSinceRead: 0 });
  await database.drop();
});

test("an older copy takes the database's name", async () => {
  const database = await createTestDatabase();
  await database.query(schemaSql);
  const copy = await createTestDatabase(database.name);
  await write(database.url, "newer than the copy");
  const repository = await makeRepository();
  expect(await backUp(repository, database.url)).toMatchObject({ note: "newer than the copy" });
  const admin = new URL(database.url);
  admin.pathname = "/postgres";
  await onServer(admin.href, `ALTER DATABASE ${database.name} RENAME TO ${database.name}_gone`);
  await onServer(admin.href, `ALTER DATABASE ${copy.name} RENAME TO ${database.name}`);
  expect(await backUp(repository, database.url)).toMatchObject({ note: "as it was", backupsSinceRead: 0 });
  await onServer(admin.href, `DROP DATABASE ${database.name}_gone`);
  await database.drop();
});

describe("on servers of its own", () => {
  const name = "weddings";
  let folder: string;
  const running = new Set<EmbeddedPostgres>();
  let primary: EmbeddedPostgres;
  let standby: EmbeddedPostgres;

  const start = async (place: string): Promise<EmbeddedPostgres> => {
    const server = await startEmbeddedPostgres(join(folder, place));
    running.add(server);
    return server;
  };
  const stop = async (server: EmbeddedPostgres): Promise<void> => {
    running.delete(server);
    await server.stop();
  };
  /** With its owner, who is not root. */
  const copy = (from: string, to: string) => promisify(execFile)("cp", ["-a", join(folder, from), join(folder, to)]);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "wedsync-backup-course-"));
    await chmod(folder, 0o711); // as root, Postgres runs as another user, who must get through to its files
    primary = await start("primary");
    await primary.createDatabase(name);
    await onServer(primary.url(name), schemaSql);
    await stop(primary);
    await copy("primary", "older");
    await copy("primary", "standby");
    primary = await start("primary");
    const { port, username, password } = new URL(primary.url(name));
    const files = join(folder, "standby", "files");
    await writeFile(join(files, "standby.signal"), "");
    await appendFile(
      join(files, "postgresql.auto.conf"),
      `primary_conninfo = 'host=127.0.0.1 port=${port} user=${username} password=${password}'\n`,
    );
    standby = await start("standby");
  });
  afterAll(async () => {
    for (const server of running) await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("the database is another server's, of the same name", async () => {
    const stranger = await start("stranger");
    await stranger.createDatabase(name);
    await onServer(stranger.url(name), schemaSql);
    for (let n = 0; n < 30; n++) await write(primary.url(name), `here ${n}`);
    const repository = await makeRepository();
    expect(await backUp(repository, primary.url(name))).toMatchObject({ note: "here 29" });
    expect(await backUp(repository, stranger.url(name))).toMatchObject({ note: "as it was", backupsSinceRead: 0 });
    await stop(stranger);
  });

  test("a standby takes over that had not received the last changes", async () => {
    await write(primary.url(name), "received");
    const [onStandby, look] = [standby.url(name), "SELECT note FROM notes WHERE id = 7"];
    await waitUntil(
      "the standby has it",
      async () => (await onServer<{ note: string }>(onStandby, look))[0]?.note === "received",
    );
    await onServer(onStandby, "ALTER SYSTEM SET primary_conninfo = ''");
    await onServer(onStandby, "SELECT pg_reload_conf()");
    const receivers = "SELECT 1 FROM pg_stat_wal_receiver";
    await waitUntil("it receives no more", async () => (await onServer(onStandby, receivers)).length === 0);
    await write(primary.url(name), "lost with the primary");
    const repository = await makeRepository();
    expect(await backUp(repository, primary.url(name))).toMatchObject({ note: "lost with the primary" });
    // At once, long before its first checkpoint.
    await onServer(onStandby, "SELECT pg_promote()");
    expect(await backUp(repository, onStandby)).toMatchObject({ note: "received", backupsSinceRead: 0 });
    expect(await backUp(repository, onStandby)).toMatchObject({ note: "received", backupsSinceRead: 1 });
  });

  test("an older copy of the server's files is put in their place", async () => {
    await write(primary.url(name), "newer than the copy");
    const repository = await makeRepository();
    expect(await backUp(repository, primary.url(name))).toMatchObject({ note: "newer than the copy" });
    await stop(primary);
    await rm(join(folder, "primary"), { recursive: true });
    await copy("older", "primary");
    primary = await start("primary");
    expect(await backUp(repository, primary.url(name))).toMatchObject({ note: "as it was", backupsSinceRead: 0 });
  });
});
