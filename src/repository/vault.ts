// One organization's part of the repository: packs of sealed segments, manifests, and the log of what was released. Whoever
// has it can read and write everything of this organization, and nothing of another.
import { hmacAside } from "../crypto/hash-aside.ts";
import { hmac, type OrganizationKeys } from "../crypto/organization-keys.ts";
import type { ObjectPlace } from "../crypto/sealed-object.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import { createReleaseLog, type ReleaseLog } from "./release-log.ts";
import { openManifests, type StoredManifests } from "./stored-manifests.ts";
import { openPacks, type StoredPacks } from "./stored-packs.ts";
import { formatVerificationKey } from "./verification-key.ts";

export interface VaultParts {
  readonly store: ObjectStore;
  readonly repositoryId: string;
  readonly repositoryRecord: Buffer;
  readonly organizationId: string;
  readonly keys: OrganizationKeys;
}

export interface OrganizationVault extends StoredPacks, StoredManifests {
  readonly organizationId: string;
  readonly cutSeed: bigint;
  segmentId(raw: Uint8Array): string;
  /** The same, on another thread; for megabytes. */
  segmentIdAside(raw: Buffer): Promise<string>;
  readonly releases: ReleaseLog;
  exportVerificationKey(): string;
}

export function createVault(parts: VaultParts): OrganizationVault {
  const { store, repositoryId, repositoryRecord, organizationId, keys } = parts;
  const placeOf =
    (kind: ObjectPlace["kind"]) =>
    (objectKey: string, sequence?: number): ObjectPlace => ({
      kind,
      repositoryId,
      organizationId,
      objectKey,
      ...(sequence === undefined ? {} : { sequence }),
    });
  const releases = createReleaseLog(store, organizationId, keys, placeOf("release"));
  return {
    organizationId,
    cutSeed: keys.cutSeed,
    segmentId: (raw) => hmac(keys.idKey, raw).toString("hex"),
    segmentIdAside: (raw) => hmacAside(keys.idKey, raw),
    ...openPacks(store, organizationId, keys, placeOf("pack")),
    ...openManifests(store, organizationId, keys, placeOf("manifest"), releases),
    releases,
    exportVerificationKey: () => formatVerificationKey(repositoryId, repositoryRecord, keys.verificationKey),
  };
}
