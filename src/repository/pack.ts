// A pack: the sealed segments of one batch, one frame each, then a sealed index of them, so that what a pack holds can be
// told without any manifest.
import { createHash } from "node:crypto";
import { z } from "zod";
import {
  corrupt,
  frameOverheadBytes,
  headerBytes,
  macBytes,
  maxFrameBytes,
  ObjectOpener,
  ObjectSealer,
  readClear,
  type ObjectPlace,
} from "../crypto/sealed-object.ts";
import type { OrganizationKeys } from "../crypto/organization-keys.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { SegmentReference } from "./manifest.ts";

export interface CompressedSegment {
  readonly id: string;
  readonly kind: "rows" | "file";
  readonly rawBytes: number;
  readonly rows: number;
  readonly compressed: Buffer;
}

const indexSchema = z.array(
  z.strictObject({
    id: z.string(),
    offset: z.number().int().nonnegative(),
    length: z.number().int().positive(),
    rawBytes: z.number().int().nonnegative(),
    rows: z.number().int().nonnegative(),
  }),
);

export type PackIndexEntry = z.infer<typeof indexSchema>[number];

export interface SealedPack {
  /** SHA-256 of `bytes`, hex. */
  readonly name: string;
  readonly bytes: Buffer;
  readonly entries: readonly PackIndexEntry[];
}

/** Behind the final frame: the length of that frame, so that a reader finds it from the end. */
const trailerBytes = 4;
const noClear = Buffer.alloc(0);

export function sealPack(
  keys: OrganizationKeys,
  place: ObjectPlace,
  segments: readonly CompressedSegment[],
): SealedPack {
  let offset = headerBytes;
  const entries = segments.map(({ id, rawBytes, rows, compressed }) => {
    const length = compressed.length + frameOverheadBytes;
    const entry = { id, offset, length, rawBytes, rows };
    offset += length;
    return entry;
  });
  const index = Buffer.from(JSON.stringify(entries));
  const sealer = new ObjectSealer(
    keys,
    place,
    noClear,
    [...segments.map((segment) => segment.compressed.length), index.length],
    trailerBytes,
  );
  for (const { compressed } of segments) sealer.frame(compressed, false);
  const { length } = sealer.frame(index, true);
  const trailer = Buffer.alloc(trailerBytes);
  trailer.writeUInt32BE(length);
  sealer.trailer(trailer);
  const bytes = sealer.finish();
  return { name: createHash("sha256").update(bytes).digest("hex"), bytes, entries };
}

const maxCachedOpeners = 1_000;

/** Reads single frames of packs by range; keeps the keys of packs that it has seen. */
export class PackReader {
  private readonly store: ObjectStore;
  private readonly keys: OrganizationKeys;
  private readonly keyOf: (name: string) => string;
  private readonly placeOf: (name: string) => ObjectPlace;
  private readonly openers = new Map<string, Promise<ObjectOpener>>();

  constructor(
    store: ObjectStore,
    keys: OrganizationKeys,
    keyOf: (name: string) => string,
    placeOf: (name: string) => ObjectPlace,
  ) {
    this.store = store;
    this.keys = keys;
    this.keyOf = keyOf;
    this.placeOf = placeOf;
  }

  /** The compressed bytes of each reference, in the order given; neighbours come by one read. */
  async readFrames(
    name: string,
    references: readonly Pick<SegmentReference, "offset" | "length">[],
    signal?: AbortSignal,
  ): Promise<Buffer[]> {
    const opener = await this.opener(name);
    const frames: Buffer[] = [];
    for (let from = 0; from < references.length;) {
      let to = from + 1;
      while (to < references.length && endOf(references[to - 1]) === references[to]?.offset) to += 1;
      const run = references.slice(from, to);
      const [first] = run;
      const offset = first?.offset ?? 0;
      const length = run.reduce((sum, reference) => sum + reference.length, 0);
      if (offset < headerBytes || length > maxFrameBytes)
        throw corrupt(this.placeOf(name), "a reference points outside its frames");
      const bytes = await this.store.read(this.keyOf(name), {
        range: { offset, length },
        ...(signal === undefined ? {} : { signal }),
      });
      if (bytes.length !== length) throw corrupt(this.placeOf(name), "it is cut short");
      for (const reference of run) {
        const at = reference.offset - offset;
        frames.push(opener.frame(bytes.subarray(at, at + reference.length), { isFinal: false }));
      }
      from = to;
    }
    return frames;
  }

  async readIndex(name: string): Promise<readonly PackIndexEntry[]> {
    const place = this.placeOf(name);
    const key = this.keyOf(name);
    const stored = await this.store.stat(key);
    const least = headerBytes + frameOverheadBytes + trailerBytes + macBytes;
    if (stored === null || stored.sizeBytes < least) throw corrupt(place, "it is missing or cut short");
    const trailerAt = stored.sizeBytes - macBytes - trailerBytes;
    const trailer = await this.store.read(key, { range: { offset: trailerAt, length: trailerBytes } });
    const length = trailer.readUInt32BE(0);
    if (length < frameOverheadBytes || length > trailerAt - headerBytes) throw corrupt(place, "its index is damaged");
    const opener = await this.opener(name);
    const frame = await this.store.read(key, { range: { offset: trailerAt - length, length } });
    const text = opener.frame(frame, { isFinal: true }).toString("utf8");
    return indexSchema.parse(JSON.parse(text)); // authenticated: what does not parse is our own fault
  }

  private async opener(name: string): Promise<ObjectOpener> {
    let opening = this.openers.get(name);
    if (opening === undefined) {
      opening = this.open(name);
      this.openers.set(name, opening);
      opening.catch(() => this.openers.delete(name));
      if (this.openers.size > maxCachedOpeners) this.openers.delete(this.openers.keys().next().value as string);
    }
    return await opening;
  }

  private async open(name: string): Promise<ObjectOpener> {
    const place = this.placeOf(name);
    const header = await this.store.read(this.keyOf(name), { range: { offset: 0, length: headerBytes } });
    readClear(place, header);
    return new ObjectOpener(this.keys, place, header, noClear);
  }
}

const endOf = (reference: Pick<SegmentReference, "offset" | "length"> | undefined): number =>
  reference ? reference.offset + reference.length : -1;
