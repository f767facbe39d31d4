// Sets up one attempt of a backup under a held snapshot: the reader, what is stored already, what will be collected.
import type { BackupRequest } from "../src/domain/backup-request.ts";
import type { HeldSnapshot } from "../src/ports/source-database.ts";
import { fingerprintSchema } from "../src/repository/schema-fingerprint.ts";
import { assertOrganization } from "./assert-organization.ts";
import { BackupSession } from "./backup-session.ts";
import { chooseTables } from "./choose-tables.ts";
import type { SessionKey, StoredPack } from "./contract.ts";
import type { ActivityDependencies } from "./dependencies.ts";
import { estimateBytes } from "./estimate-bytes.ts";
import { countAhead } from "./count-ahead.ts";
import { OrganizationCollector } from "./organization-collector.ts";
import { mostBases, readBases } from "./read-bases.ts";
import { withoutDamaged } from "./without-damaged.ts";

/** The session, on the bench. @throws OrganizationNotFound, UsageInvalid (unknown data set), and the store's errors. */
export async function openSession(
  dependencies: Pick<ActivityDependencies, "source" | "media" | "repository" | "jobs" | "verifications" | "bench">,
  held: HeldSnapshot,
  key: SessionKey,
  request: BackupRequest,
  uploadedPacks: readonly StoredPack[],
): Promise<BackupSession> {
  const { source, media, repository, jobs, verifications, bench } = dependencies;
  const tables = chooseTables(held.closure, request.dataSets);
  const reader = await source.importSnapshot(held.reference);
  try {
    // Before the vault is made: a mistyped id must not leave keys behind.
    await assertOrganization(reader, held.closure, key.organizationId);
    const [vault, remembered, damage, estimatedBytes] = await Promise.all([
      repository.openVault(key.organizationId, { create: true }),
      jobs.latestManifest(key.organizationId),
      verifications.listDamage(key.organizationId, mostBases),
      estimateBytes(reader, tables, key.organizationId),
    ]);
    const bases = withoutDamaged(await readBases(vault), damage);
    const { organizationId } = key;
    const session = new BackupSession({
      organizationId,
      vault,
      source,
      held,
      reader,
      media,
      tables,
      dataSets: request.dataSets,
      beforeRestore: request.trigger === "restore",
      bases,
      remembered,
      estimatedBytes,
      schemaFingerprint: fingerprintSchema(held.schema),
    });
    // Packs of an earlier attempt of this run: what they hold is not stored again.
    for (const { packName, packBytes } of uploadedPacks)
      session.learnPack(packName, packBytes, await vault.readPackIndex(packName));
    session.collector = new OrganizationCollector(session);
    bench.place(key, session);
    session.ahead.trusted = countAhead(session);
    session.ahead.trusted.catch(() => {}); // the seal asks
    return session;
  } catch (error) {
    await reader.close();
    throw error;
  }
}
