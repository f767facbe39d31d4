// Whether the present schema can still take the newest backup of every organization: for the CI of an app's migrations, and
// before one is run. Reads descriptions only; no row is looked at.
import { randomUUID } from "node:crypto";
import { BackupError } from "../domain/errors.ts";
import { everything, type DriftEntry } from "../domain/restore-request.ts";
import { findLatest } from "../repository/latest-backup.ts";
import { fingerprintSchema } from "../repository/schema-fingerprint.ts";
import { openRestoreTarget } from "./sealed-targets.ts";
import type { Session } from "./session.ts";

export interface Restorability {
  readonly organizations: number;
  /** How many of them were made under another schema than the present one. */
  readonly older: number;
  /** Each difference once, with the organizations whose newest backup it concerns. */
  readonly drift: readonly (DriftEntry & { readonly organizations: number })[];
}

export async function checkRestorable(session: Session): Promise<Restorability> {
  const catalogue = await session.catalogue();
  const source = await session.source();
  const present = fingerprintSchema(await source.readSchema(catalogue.schemas));
  const repository = await session.repository();
  const target = await openRestoreTarget(session, null);
  const known = new Map<string, readonly DriftEntry[]>();
  const found = new Map<string, DriftEntry & { organizations: number }>();
  let [organizations, older] = [0, 0];
  try {
    for (const organizationId of await repository.listOrganizations()) {
      const vault = await repository.openVault(organizationId);
      const newest = await findLatest(vault);
      if (newest === null) continue;
      organizations += 1;
      const { manifest } = await vault.readManifest(newest.sequence);
      const { schemaFingerprint, schema, tables, dataSets } = manifest;
      if (schemaFingerprint === present) continue;
      older += 1;
      const key = JSON.stringify([schemaFingerprint, dataSets]);
      const drift =
        known.get(key) ??
        (await target.checkDrift({
          restoreId: randomUUID(),
          organizationId,
          targetOrganizationId: organizationId,
          catalogue,
          backup: { schema, tables: tables.map((entry) => ({ ...entry, readRows: neverRead })) },
          selection: everything,
          strategy: "overwrite",
          liveOnly: "keep",
          renamedColumns: {},
          mergeBase: null,
          leftOverIds: "stop",
        }));
      known.set(key, drift);
      for (const entry of drift) {
        const name = JSON.stringify([entry.table, entry.column, entry.what]);
        found.set(name, { ...entry, organizations: (found.get(name)?.organizations ?? 0) + 1 });
      }
    }
  } finally {
    await target.close();
  }
  return { organizations, older, drift: [...found.values()] };
}

// eslint-disable-next-line require-yield -- descriptions are compared; a row that is read would be a fault
async function* neverRead(): AsyncGenerator<Buffer> {
  throw new BackupError("Internal", "The check of the schema must read no rows.");
}
