// Whether a manifest shows the database of a snapshot, earlier on the same course of its history. Only then do transaction
// ids tell what changed in between.
import type { SnapshotReference } from "../src/ports/source-database.ts";
import type { Manifest } from "../src/repository/manifest.ts";

type Shown = Pick<Manifest, "snapshot" | "schemaFingerprint">;

export const isSameDatabase = (
  { snapshot, schemaFingerprint }: Shown,
  now: SnapshotReference,
  fingerprintNow: string,
): boolean =>
  snapshot.systemIdentifier === now.systemIdentifier &&
  snapshot.databaseName === now.databaseName &&
  snapshot.timeline === now.timeline &&
  schemaFingerprint === fingerprintNow;

/**
 * Whoever puts an older copy of a server's files in their place keeps its identifier and, without archive recovery, its
 * timeline, but has to start it anew.
 */
export const hasRunSince = ({ snapshot }: Pick<Shown, "snapshot">, now: SnapshotReference): boolean =>
  snapshot.takenAt > now.serverStartedAt;
