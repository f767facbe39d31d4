// What erasure asks of a bucket that may keep older versions, marks of deletions, unfinished uploads and locks.
import type { S3Client } from "@aws-sdk/client-s3";
import type { ObjectLock, StoredVersion } from "../../ports/object-store.ts";
import { nextPage } from "./s3-pages.ts";
import type { S3Sdk } from "./s3-client.ts";

interface Target {
  readonly sdk: S3Sdk;
  readonly client: S3Client;
  readonly bucket: string;
}

export async function* listVersions({ sdk, client, bucket }: Target, prefix: string): AsyncGenerator<StoredVersion> {
  let place: ReturnType<typeof nextPage> = [undefined];
  do {
    const [KeyMarker, VersionIdMarker]: NonNullable<typeof place> = place;
    const page = await client.send(
      new sdk.ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix, KeyMarker, VersionIdMarker }),
    );
    for (const { Key, VersionId, Size } of page.Versions ?? [])
      if (Key !== undefined) yield { key: Key, sizeBytes: Size ?? 0, kind: "version", versionId: VersionId ?? null };
    for (const { Key, VersionId } of page.DeleteMarkers ?? [])
      if (Key !== undefined) yield { key: Key, sizeBytes: 0, kind: "marker", versionId: VersionId ?? null };
    place = nextPage(page, [page.NextKeyMarker, page.NextVersionIdMarker], place);
  } while (place !== null);
  yield* listUploads({ sdk, client, bucket }, prefix);
}

async function* listUploads({ sdk, client, bucket }: Target, prefix: string): AsyncGenerator<StoredVersion> {
  let place: ReturnType<typeof nextPage> = [undefined];
  do {
    const [KeyMarker, UploadIdMarker]: NonNullable<typeof place> = place;
    const page = await client.send(
      new sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, KeyMarker, UploadIdMarker }),
    );
    for (const { Key, UploadId } of page.Uploads ?? [])
      if (Key !== undefined && UploadId !== undefined)
        yield { key: Key, sizeBytes: 0, kind: "upload", versionId: UploadId };
    place = nextPage(page, [page.NextKeyMarker, page.NextUploadIdMarker], place);
  } while (place !== null);
}

/** Codes with which a store refuses one version of many, and does the rest. */
const lockedCodes = new Set(["AccessDenied", "ObjectLocked", "InvalidRequest"]);

/** @throws what the SDK throws; an error of one version that is no lock's is thrown as well. */
export async function destroyVersions(
  { sdk, client, bucket }: Target,
  versions: readonly StoredVersion[],
): Promise<StoredVersion[]> {
  const kept: StoredVersion[] = [];
  for (const { key, versionId, kind } of versions) {
    if (kind !== "upload" || versionId === null) continue;
    await client
      .send(new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: versionId }))
      .catch((error: unknown) => {
        if ((error as { name?: string }).name !== "NoSuchUpload") throw error;
      });
  }
  const objects = versions.filter(({ kind }) => kind !== "upload");
  for (let at = 0; at < objects.length; at += 1000) {
    const batch = objects.slice(at, at + 1000);
    const { Errors = [] } = await client.send(
      new sdk.DeleteObjectsCommand({
        Bucket: bucket,
        Delete: {
          Objects: batch.map(({ key, versionId }) => ({
            Key: key,
            ...(versionId === null ? {} : { VersionId: versionId }),
          })),
          Quiet: true,
        },
      }),
    );
    for (const { Key, VersionId, Code = "" } of Errors) {
      const version = batch.find((each) => each.key === Key && (each.versionId ?? undefined) === VersionId);
      if (version === undefined || !lockedCodes.has(Code))
        throw Object.assign(new Error("delete refused"), { name: Code === "" ? "AccessDenied" : Code });
      kept.push(version);
    }
  }
  return kept;
}

/** Asks version by version, but only a bucket that knows locks. */
export async function* listLocks({ sdk, client, bucket }: Target, prefix: string): AsyncGenerator<ObjectLock> {
  if (!(await knowsLocks({ sdk, client, bucket }))) return;
  for await (const { key, versionId, kind } of listVersions({ sdk, client, bucket }, prefix)) {
    if (kind !== "version") continue;
    const { ObjectLockRetainUntilDate: until, ObjectLockLegalHoldStatus: hold } = await client.send(
      new sdk.HeadObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId ?? undefined }),
    );
    if (hold === "ON") yield { key, kind: "legal hold", until: null };
    else if (until !== undefined && until.getTime() > Date.now())
      yield { key, kind: "retention", until: until.toISOString() };
  }
}

/** What stores answer where a bucket has no lock configuration, and those that never heard of locks. */
const lockless = new Set(["ObjectLockConfigurationNotFoundError", "NotImplemented", "NoSuchObjectLockConfiguration"]);

async function knowsLocks({ sdk, client, bucket }: Target): Promise<boolean> {
  try {
    const { ObjectLockConfiguration } = await client.send(
      new sdk.GetObjectLockConfigurationCommand({ Bucket: bucket }),
    );
    return ObjectLockConfiguration?.ObjectLockEnabled === "Enabled";
  } catch (error) {
    if (lockless.has((error as { name?: string }).name ?? "")) return false;
    throw error;
  }
}
