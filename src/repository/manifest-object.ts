// The manifest as a sealed object: a clear, authenticated header that a verifier without the sealing key can read, then
// the zstd-compressed JSON in frames of up to 1 MiB.
import { z } from "zod";
import {
  corrupt,
  headerBytes,
  isIntact,
  macBytes,
  ObjectOpener,
  ObjectSealer,
  readClear,
  type ObjectPlace,
} from "../crypto/sealed-object.ts";
import type { OrganizationKeys } from "../crypto/organization-keys.ts";
import { BackupError } from "../domain/errors.ts";
import { compressSegment, decompressSegment } from "./compression.ts";
import { formatVersion, knownFeatures, manifestSchema, type Manifest } from "./manifest.ts";
import { createHash } from "node:crypto";

export const manifestHeaderSchema = z.object({
  sequence: z.number().int().positive(),
  backupId: z.string(),
  createdAt: z.string(),
  complete: z.boolean(),
  previousManifestHash: z.string().nullable(),
  /** Bytes of the JSON once decompressed. */
  jsonBytes: z.number().int().nonnegative(),
  packs: z.array(z.object({ name: z.string(), sizeBytes: z.number().int().nonnegative() })),
});

export type ManifestHeader = z.infer<typeof manifestHeaderSchema> & {
  readonly key: string;
  readonly sizeBytes: number;
};

export interface SealedManifest {
  readonly key: string;
  readonly bytes: Buffer;
  /** SHA-256 of `bytes`, hex. */
  readonly hash: string;
}

const frameBytes = 1024 * 1024;
/** A manifest of a million segments has some 200 MB; more is not ours. */
const maxJsonBytes = 512 * 1024 * 1024;

export function sealManifest(keys: OrganizationKeys, place: ObjectPlace, manifest: Manifest): SealedManifest {
  const json = Buffer.from(JSON.stringify(manifest));
  const compressed = compressSegment(json);
  const { sequence, backupId, createdAt, complete, previousManifestHash, packs } = manifest;
  const clear = Buffer.from(
    JSON.stringify({ sequence, backupId, createdAt, complete, previousManifestHash, jsonBytes: json.length, packs }),
  );
  const pieces: Buffer[] = [];
  for (let at = 0; at < compressed.length; at += frameBytes) pieces.push(compressed.subarray(at, at + frameBytes));
  const sealer = new ObjectSealer(
    keys,
    place,
    clear,
    pieces.map((piece) => piece.length),
  );
  for (const [index, piece] of pieces.entries()) sealer.frame(piece, index === pieces.length - 1);
  const bytes = sealer.finish();
  return { key: place.objectKey, bytes, hash: createHash("sha256").update(bytes).digest("hex") };
}

/** @throws ObjectCorrupt, ObjectForeign, FormatUnsupported */
export function openManifest(keys: OrganizationKeys, place: ObjectPlace, bytes: Buffer): Manifest {
  const clear = readClear(place, bytes);
  const opener = new ObjectOpener(keys, place, bytes.subarray(0, headerBytes), clear);
  if (!isIntact(keys.verificationKey, place, bytes)) throw corrupt(place, "it is damaged");
  const compressed = Buffer.concat([...opener.frames(bytes, headerBytes + clear.length, bytes.length - macBytes)]);
  const header = manifestHeaderSchema.parse(JSON.parse(clear.toString("utf8")));
  if (header.jsonBytes > maxJsonBytes) throw corrupt(place, "it states an impossible size");
  const value = JSON.parse(decompressSegment(compressed, header.jsonBytes).toString("utf8")) as {
    formatVersion?: unknown;
    features?: unknown;
  };
  refuseUnknown(place, value);
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) throw corrupt(place, "its content is not of the stated format");
  return parsed.data;
}

function refuseUnknown(
  place: ObjectPlace,
  { formatVersion: version, features }: { formatVersion?: unknown; features?: unknown },
): void {
  const unknown = Array.isArray(features) ? features.filter((feature) => !knownFeatures.includes(String(feature))) : [];
  if (version === formatVersion && unknown.length === 0) return;
  throw new BackupError("FormatUnsupported", `${place.objectKey} needs a newer version of this product; update it.`, {
    object: place.objectKey,
    features: unknown.map(String),
  });
}
