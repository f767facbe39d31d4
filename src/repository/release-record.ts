// The release record as a sealed object: which backups were let go, so that their absence is told from a removal by
// somebody else, and which packs wait for their removal. Each record tells everything; the newest counts. FORMAT.md,
// "Removing".
//
// Its clear part has the runs: a holder of the verification key can check them. The frame has all of it: whoever holds that
// key alone could make an HMAC, but no frame.
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { OrganizationKeys } from "../crypto/organization-keys.ts";
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
import { BackupError } from "../domain/errors.ts";
import { compressSegment, decompressSegment } from "./compression.ts";
import { limits } from "./limits.ts";
import { parseJson, parseSealedJson } from "./sealed-json.ts";

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const runSchema = z.strictObject({
  from: z.number().int().positive(),
  to: z.number().int().positive(),
  last: hash.nullable(),
  by: z.enum(["retention", "unknown"]),
});

const headerSchema = z.object({
  number: z.number().int().positive(),
  createdAt: z.string(),
  runs: z.array(runSchema),
  jsonBytes: z.number().int().nonnegative(),
});

const recordSchema = z.strictObject({
  number: z.number().int().positive(),
  createdAt: z.string(),
  /** Of the run that wrote it. */
  fencingToken: z.number().int().nonnegative(),
  runs: z.array(runSchema),
  /** Packs that no kept backup names, and since when that is known. */
  quarantine: z.array(z.strictObject({ pack: hash, since: z.string() })),
});

export type ReleaseRecord = z.infer<typeof recordSchema>;
export type ReleaseHeader = z.infer<typeof headerSchema>;

/** @throws BackupTooLarge */
export function sealReleaseRecord(keys: OrganizationKeys, place: ObjectPlace, record: ReleaseRecord): Buffer {
  const json = Buffer.from(JSON.stringify(record));
  const { number, createdAt, runs } = record;
  const clear = Buffer.from(JSON.stringify({ number, createdAt, runs, jsonBytes: json.length }));
  if (json.length > limits.releaseJsonBytes)
    throw new BackupError(
      "BackupTooLarge",
      `A release record is too large: it has at most ${limits.releaseJsonBytes} bytes.`,
    );
  const compressed = compressSegment(json);
  const sealer = new ObjectSealer(keys, place, clear, [compressed.length]);
  sealer.frame(compressed, true);
  return sealer.finish().bytes;
}

/** What a verifier without the sealing key may know. @throws ObjectCorrupt, ObjectForeign, FormatUnsupported */
export function openReleaseHeader(verificationKey: Buffer, place: ObjectPlace, bytes: Buffer): ReleaseHeader {
  const clear = readClear(place, bytes);
  if (!isIntact(verificationKey, place, bytes))
    throw corrupt(place, "it is damaged, in the wrong place, or of another organization or repository");
  const header = parseSealedJson(place, clear, headerSchema);
  const ordered = header.runs.every(
    ({ from, to }, index) => from <= to && from > (header.runs[index - 1]?.to ?? 0) && to <= limits.manifestSequence,
  );
  if (header.number !== place.sequence || !ordered) throw corrupt(place, "its header states what can't be");
  return header;
}

/** @throws ObjectCorrupt, ObjectForeign, FormatUnsupported */
export async function openReleaseRecord(
  keys: OrganizationKeys,
  place: ObjectPlace,
  bytes: Buffer,
): Promise<ReleaseRecord> {
  const clear = readClear(place, bytes);
  const opener = new ObjectOpener(keys, place, bytes.subarray(0, headerBytes), clear);
  const header = openReleaseHeader(keys.verificationKey, place, bytes);
  const frames = [...opener.frames(bytes, headerBytes + clear.length, bytes.length - macBytes)];
  if (header.jsonBytes > limits.releaseJsonBytes) throw corrupt(place, "it states an impossible size");
  const json = parseJson(place, await decompressSegment(Buffer.concat(frames), header.jsonBytes));
  const parsed = recordSchema.safeParse(json);
  if (!parsed.success) throw corrupt(place, "its content is not of the stated format");
  const { number, createdAt, runs } = parsed.data;
  const { jsonBytes } = header;
  if (!isDeepStrictEqual(header, { number, createdAt, runs, jsonBytes }))
    throw corrupt(place, "its clear header and its content differ");
  return parsed.data;
}
