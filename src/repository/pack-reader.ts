// Reads single frames of packs by range; keeps the keys of packs that it has seen. A frame opens only for the segment's id
// that it was sealed with, so nothing needs to be hashed again to know that it is the one that was asked for.
import type { OrganizationKeys } from "../crypto/organization-keys.ts";
import {
  corrupt,
  frameOverheadBytes,
  headerBytes,
  maxFrameBytes,
  ObjectOpener,
  readClear,
  type ObjectPlace,
} from "../crypto/sealed-object.ts";
import type { ObjectStore } from "../ports/object-store.ts";
import type { SegmentReference } from "./manifest.ts";
import { ownMemory } from "./owned-memory.ts";

const maxCachedOpeners = 1_000;
type FrameReference = Pick<SegmentReference, "id" | "offset" | "length">;

export class PackReader {
  private readonly store: ObjectStore;
  private readonly keys: OrganizationKeys;
  private readonly placeOf: (name: string) => ObjectPlace;
  private readonly openers = new Map<string, Promise<ObjectOpener>>();

  constructor(store: ObjectStore, keys: OrganizationKeys, placeOf: (name: string) => ObjectPlace) {
    this.store = store;
    this.keys = keys;
    this.placeOf = placeOf;
  }

  /** The compressed bytes of each reference, in the order given; neighbours come by one read. They may be freed (freeMemory). */
  async readFrames(name: string, references: readonly FrameReference[], signal?: AbortSignal): Promise<Buffer[]> {
    const place = this.placeOf(name);
    for (const { offset, length } of references) {
      if (offset < headerBytes || length < frameOverheadBytes || length > maxFrameBytes)
        throw corrupt(place, "a reference points outside its frames");
    }
    const opener = await this.opener(place);
    const frames: Buffer[] = [];
    for (const run of neighbours(references)) {
      const offset = run[0]?.offset ?? 0;
      const length = run.reduce((sum, reference) => sum + reference.length, 0);
      const bytes = await this.store.read(place.objectKey, {
        range: { offset, length },
        ...(signal === undefined ? {} : { signal }),
      });
      if (bytes.length !== length) throw corrupt(place, "it is cut short");
      for (const reference of run) {
        const at = reference.offset - offset;
        const boundTo = Buffer.from(reference.id, "hex");
        frames.push(ownMemory(opener.frame(bytes.subarray(at, at + reference.length), { isFinal: false, boundTo })));
      }
    }
    return frames;
  }

  private async opener(place: ObjectPlace): Promise<ObjectOpener> {
    let opening = this.openers.get(place.objectKey);
    if (opening === undefined) {
      opening = this.open(place);
      this.openers.set(place.objectKey, opening);
      opening.catch(() => this.openers.delete(place.objectKey));
      if (this.openers.size > maxCachedOpeners) this.openers.delete(this.openers.keys().next().value as string);
    }
    return await opening;
  }

  private async open(place: ObjectPlace): Promise<ObjectOpener> {
    const header = await this.store.read(place.objectKey, { range: { offset: 0, length: headerBytes } });
    const clear = readClear(place, header);
    return new ObjectOpener(this.keys, place, header, clear);
  }
}

/** Runs of references that lie side by side, none longer than the longest frame. */
function neighbours(references: readonly FrameReference[]): FrameReference[][] {
  const runs: FrameReference[][] = [];
  let end = -1;
  let length = 0;
  for (const reference of references) {
    const run = runs.at(-1);
    if (run !== undefined && reference.offset === end && length + reference.length <= maxFrameBytes) {
      run.push(reference);
      length += reference.length;
    } else {
      runs.push([reference]);
      length = reference.length;
    }
    end = reference.offset + reference.length;
  }
  return runs;
}
