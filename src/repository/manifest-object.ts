// The manifest as a sealed object: a clear, authenticated header that a verifier without the sealing key can read, then
// the zstd-compressed JSON in frames of up to 1 MiB.
import { isDeepStrictEqual } from "node:util";
import { sha256 } from "../crypto/sha256.ts";
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
import { limits } from "./limits.ts";
import { formatVersion, knownFeatures, manifestSchema, rowLayersFeature, type Manifest } from "./manifest.ts";
import { usesLayers } from "./read-layers.ts";
import { parseJson, parseSealedJson } from "./sealed-json.ts";

const countSchema = z.number().int().nonnegative();
const hashSchema = z.string().regex(/^[0-9a-f]{64}$/);

/** Keys that are not known are passed over: what a reader must know has a feature's name in the manifest. */
export const manifestHeaderSchema = z.object({
  sequence: z.number().int().positive(),
  backupId: z.string(),
  createdAt: z.string(),
  complete: z.boolean(),
  previousManifestHash: hashSchema.nullable(),
  /** Bytes of the JSON once decompressed. */
  jsonBytes: countSchema,
  packs: z.array(z.object({ name: hashSchema, sizeBytes: countSchema })),
  /** Made right before a restore: it shows the damage, so nobody means it by "the latest". In the header alone. */
  beforeRestore: z.boolean().optional(),
});

type StatedHeader = z.infer<typeof manifestHeaderSchema>;

/** What the clear header says beyond the manifest. */
export type HeaderMarks = Pick<StatedHeader, "beforeRestore">;

export type ManifestHeader = StatedHeader & {
  readonly key: string;
  readonly sizeBytes: number;
  /** SHA-256 of the stored bytes, hex. */
  readonly hash: string;
};

export interface SealedManifest {
  readonly key: string;
  readonly bytes: Buffer;
  /** SHA-256 of `bytes`, hex. */
  readonly hash: string;
}

const frameBytes = 1024 * 1024;

function headerOf(manifest: Manifest, jsonBytes: number): StatedHeader {
  const { sequence, backupId, createdAt, complete, previousManifestHash, packs } = manifest;
  return { sequence, backupId, createdAt, complete, previousManifestHash, jsonBytes, packs };
}

/** @throws BackupTooLarge */
export function sealManifest(
  keys: OrganizationKeys,
  place: ObjectPlace,
  manifest: Manifest,
  marks: HeaderMarks = {},
): SealedManifest {
  const json = Buffer.from(JSON.stringify(manifest));
  const compressed = compressSegment(json);
  const clear = Buffer.from(JSON.stringify({ ...headerOf(manifest, json.length), ...marks }));
  if (json.length > limits.manifestJsonBytes || clear.length + compressed.length > limits.manifestJsonBytes)
    throw new BackupError(
      "BackupTooLarge",
      `A manifest is too large: it has at most ${limits.manifestJsonBytes} bytes.`,
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
  return { key: place.objectKey, ...sealer.finish() };
}

/** What a verifier without the sealing key may know. @throws ObjectCorrupt, ObjectForeign, FormatUnsupported */
export function openManifestHeader(verificationKey: Buffer, place: ObjectPlace, bytes: Buffer): ManifestHeader {
  const clear = readClear(place, bytes);
  if (!isIntact(verificationKey, place, bytes))
    throw corrupt(place, "it is damaged, in the wrong place, or of another organization or repository");
  const header = parseSealedJson(place, clear, manifestHeaderSchema);
  if (header.sequence !== place.sequence) throw corrupt(place, "its header states another number");
  const hash = sha256(bytes);
  return { ...header, key: place.objectKey, sizeBytes: bytes.length, hash };
}

/** @throws ObjectCorrupt, ObjectForeign, FormatUnsupported */
export async function openManifest(keys: OrganizationKeys, place: ObjectPlace, bytes: Buffer): Promise<Manifest> {
  const clear = readClear(place, bytes);
  const opener = new ObjectOpener(keys, place, bytes.subarray(0, headerBytes), clear);
  const header = openManifestHeader(keys.verificationKey, place, bytes);
  const compressed = Buffer.concat([...opener.frames(bytes, headerBytes + clear.length, bytes.length - macBytes)]);
  if (header.jsonBytes > limits.manifestJsonBytes) throw corrupt(place, "it states an impossible size");
  const json = parseJson(place, await decompressSegment(compressed, header.jsonBytes));
  refuseUnknown(place, json);
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) throw corrupt(place, "its content is not of the stated format");
  if (usesLayers(parsed.data.tables) && !parsed.data.features.includes(rowLayersFeature))
    throw corrupt(place, "it uses a feature that it does not name");
  const { key: _key, sizeBytes: _sizeBytes, hash: _hash, beforeRestore: _beforeRestore, ...stated } = header;
  if (!isDeepStrictEqual(stated, headerOf(parsed.data, header.jsonBytes)))
    throw corrupt(place, "its clear header and its content differ");
  return parsed.data;
}

function refuseUnknown(place: ObjectPlace, value: unknown): void {
  const { formatVersion: version, features } = Object(value) as { formatVersion?: unknown; features?: unknown };
  const unknown = Array.isArray(features) ? features.filter((feature) => !knownFeatures.includes(String(feature))) : [];
  if (version === formatVersion && unknown.length === 0) return;
  throw new BackupError(
    "FormatUnsupported",
    `${place.objectKey} needs a newer version of wedsync-backup: update this one. Nothing was changed.`,
    {
      object: place.objectKey,
      features: unknown.map(String),
    },
  );
}
