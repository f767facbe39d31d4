// The sealed object: header, frames, and an HMAC that covers all stored bytes. FORMAT.md, "Sealed objects", has the layout.
//
// What must hold: every object has its own key (HKDF with a random salt), so a frame's number can be its nonce; the header
// and the object's place are bound into every frame; the last frame says that it is the last; the key is committed to.
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { BackupError } from "../domain/errors.ts";
import { hkdf } from "./root-key.ts";
import type { OrganizationKeys } from "./organization-keys.ts";

export type ObjectKind = "pack" | "manifest" | "release";

export const headerBytes = 76;
export const macBytes = 32;
/** Frame number, length and final flag before the ciphertext; the tag behind it. */
export const frameOverheadBytes = 8 + 16;
/** Postgres gives no row of 1 GiB; zstd adds a little to what it can't shrink. */
export const maxFrameBytes = 1088 * 1024 * 1024;
const magic = Buffer.from("WSB1");
const kinds: Record<ObjectKind, number> = { pack: 1, manifest: 2, release: 3 };
/** What is sealed in one go: as much as stays in the processor's cache until it is copied to its place. */
const pieceBytes = 1024 * 1024;
const finalBit = 0x8000_0000;
const noClear = Buffer.alloc(0);

export interface ObjectPlace {
  readonly kind: ObjectKind;
  readonly repositoryId: string;
  readonly organizationId: string;
  /** Manifests are bound to their sequence, release records to their number; a pack's name is the hash of its bytes and binds itself. */
  readonly sequence?: number;
  /** For messages only. */
  readonly objectKey: string;
}

const placeText = ({ kind, repositoryId, organizationId, sequence }: ObjectPlace): Buffer =>
  Buffer.from(JSON.stringify(["wedsync-backup v1", kind, repositoryId, organizationId, sequence ?? null]));

interface FrameCipher {
  readonly key: Buffer;
  readonly associated: Buffer;
}

function frameCipher(sealingKey: Buffer, place: ObjectPlace, header: Buffer, clear: Buffer): FrameCipher {
  const salt = header.subarray(12, 44);
  const associated = createHash("sha256").update(placeText(place)).update(header).update(clear).digest();
  return { key: hkdf(sealingKey, salt, "wedsync-backup v1 object", 32), associated };
}

const commitment = (sealingKey: Buffer, salt: Buffer): Buffer =>
  hkdf(sealingKey, salt, "wedsync-backup v1 commitment", 32);

function frameNonce(number: number, isFinal: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce[7] = isFinal ? 1 : 0;
  nonce.writeUInt32BE(number, 8);
  return nonce;
}

/** Writes one object into a buffer of known size: frames in order, then finish(). */
export class ObjectSealer {
  private readonly bytes: Buffer;
  private readonly cipher: FrameCipher;
  private readonly keys: OrganizationKeys;
  private readonly place: ObjectPlace;
  private at: number;
  private number = 0;

  /** `frameSizes`: plaintext bytes of each frame; the last one is the final frame. `trailer`: bytes behind it. */
  constructor(
    keys: OrganizationKeys,
    place: ObjectPlace,
    clear: Buffer,
    frameSizes: readonly number[],
    trailerBytes = 0,
  ) {
    this.keys = keys;
    this.place = place;
    if (frameSizes.some((size) => size + frameOverheadBytes > maxFrameBytes))
      throw new BackupError("BackupTooLarge", `A row or file part is too large: a frame holds ${maxFrameBytes} bytes.`);
    const framesBytes = frameSizes.reduce((sum, size) => sum + size + frameOverheadBytes, 0);
    this.bytes = Buffer.allocUnsafe(headerBytes + clear.length + framesBytes + trailerBytes + macBytes);
    const header = this.bytes.subarray(0, headerBytes);
    header.fill(0);
    magic.copy(header, 0);
    header[4] = kinds[place.kind];
    header[5] = 1; // the organization key's epoch
    header.writeUInt32BE(clear.length, 8);
    randomBytes(32).copy(header, 12);
    commitment(keys.sealingKey, header.subarray(12, 44)).copy(header, 44, 0, 32);
    clear.copy(this.bytes, headerBytes);
    this.cipher = frameCipher(keys.sealingKey, place, header, clear);
    this.at = headerBytes + clear.length;
  }

  /**
   * `boundTo`: what the frame is to its reader (a segment's id): it opens only for who asks for that.
   * @returns where the frame lies in the object.
   */
  frame(plain: Uint8Array, isFinal: boolean, boundTo: Buffer = noClear): { offset: number; length: number } {
    const offset = this.at;
    if (offset + plain.length + frameOverheadBytes > this.bytes.length - macBytes)
      throw new BackupError("Internal", "A frame is larger than planned.");
    const number = this.number++;
    this.bytes.writeUInt32BE(number, offset);
    this.bytes.writeUInt32BE((plain.length | (isFinal ? finalBit : 0)) >>> 0, offset + 4);
    const cipher = createCipheriv("aes-256-gcm", this.cipher.key, frameNonce(number, isFinal)).setAAD(
      Buffer.concat([this.cipher.associated, boundTo]),
    );
    for (let at = 0; at < plain.length; at += pieceBytes) {
      const sealed = cipher.update(plain.subarray(at, at + pieceBytes));
      sealed.copy(this.bytes, offset + 8 + at);
      // Freed at once: for a large frame the collector would come too late, and for many often.
      if (sealed.length === sealed.buffer.byteLength) sealed.buffer.transfer(0);
    }
    cipher.final();
    cipher.getAuthTag().copy(this.bytes, offset + 8 + plain.length);
    const length = plain.length + frameOverheadBytes;
    this.at += length;
    return { offset, length };
  }

  trailer(bytes: Buffer): void {
    this.at += bytes.copy(this.bytes, this.at);
  }

  /** `hash`: SHA-256 of the bytes, hex; from the same pass over them as the HMAC. */
  finish(): { bytes: Buffer; hash: string } {
    if (this.at !== this.bytes.length - macBytes)
      throw new BackupError("Internal", "A sealed object came out at another size than planned.");
    const hash = createHash("sha256").update(this.bytes.subarray(0, -macBytes));
    const mac = objectMac(this.keys.verificationKey, this.place, hash.copy().digest());
    mac.copy(this.bytes, this.at);
    return { bytes: this.bytes, hash: hash.update(mac).digest("hex") };
  }
}

/** Over the hash of what was stored, not over the bytes again: the name of a pack is the hash of the same bytes. */
function objectMac(verificationKey: Buffer, place: ObjectPlace, hash: Buffer): Buffer {
  return createHmac("sha256", verificationKey).update(placeText(place)).update(hash).digest();
}

/** Whether every stored byte, and the object's place, are what was sealed. Needs the verification key alone. */
export function isIntact(verificationKey: Buffer, place: ObjectPlace, bytes: Buffer): boolean {
  if (bytes.length < headerBytes + macBytes) return false;
  const hash = createHash("sha256").update(bytes.subarray(0, -macBytes)).digest();
  return timingSafeEqual(objectMac(verificationKey, place, hash), bytes.subarray(-macBytes));
}

export const corrupt = (place: ObjectPlace, what: string, cause?: unknown): BackupError =>
  new BackupError("ObjectCorrupt", `${place.objectKey}: ${what}`, { object: place.objectKey }, { cause });

/** The clear part that follows the header; checked as far as its own sizes go. `bytes` may be the object's beginning. */
export function readClear(place: ObjectPlace, bytes: Buffer): Buffer {
  if (bytes.length < headerBytes || !bytes.subarray(0, 3).equals(magic.subarray(0, 3)))
    throw corrupt(place, "it is not a sealed object");
  if (bytes[3] !== magic[3]) {
    throw new BackupError(
      "FormatUnsupported",
      `${place.objectKey} was written by a newer version of wedsync-backup: update this one. Nothing was changed.`,
    );
  }
  if (bytes[4] !== kinds[place.kind])
    throw new BackupError("ObjectForeign", `${place.objectKey} holds an object of another kind.`);
  const length = bytes.readUInt32BE(8);
  if (bytes[5] !== 1 || bytes.readUInt16BE(6) !== 0) throw corrupt(place, "its header is damaged");
  if (length > bytes.length - headerBytes) throw corrupt(place, "it is cut short");
  return bytes.subarray(headerBytes, headerBytes + length);
}

export class ObjectOpener {
  private readonly cipher: FrameCipher;
  private readonly place: ObjectPlace;

  /** @throws ObjectForeign when the object was sealed by another organization's or repository's key. */
  constructor(keys: OrganizationKeys, place: ObjectPlace, header: Buffer, clear: Buffer) {
    this.place = place;
    if (!timingSafeEqual(commitment(keys.sealingKey, header.subarray(12, 44)), header.subarray(44, 76))) {
      throw new BackupError(
        "ObjectForeign",
        `${place.objectKey} is damaged, or belongs to another organization or repository.`,
        { object: place.objectKey },
      );
    }
    this.cipher = frameCipher(keys.sealingKey, place, header, clear);
  }

  /** One whole frame. @throws ObjectCorrupt unless it is authentic, of this object, and (where asked) of this number. */
  frame(bytes: Buffer, expected: { number?: number; isFinal: boolean; boundTo?: Buffer }): Buffer {
    if (bytes.length < frameOverheadBytes || bytes.length > maxFrameBytes)
      throw corrupt(this.place, "a frame is cut short or too long");
    const number = bytes.readUInt32BE(0);
    const word = bytes.readUInt32BE(4);
    const isFinal = word >= finalBit;
    const length = word & 0x7fff_ffff;
    if (length !== bytes.length - frameOverheadBytes) throw corrupt(this.place, "a frame's length is wrong");
    if (isFinal !== expected.isFinal || (expected.number !== undefined && expected.number !== number)) {
      throw corrupt(this.place, "its frames are out of order or incomplete");
    }
    const decipher = createDecipheriv("aes-256-gcm", this.cipher.key, frameNonce(number, isFinal), {
      authTagLength: 16,
    })
      .setAAD(Buffer.concat([this.cipher.associated, expected.boundTo ?? noClear]))
      .setAuthTag(bytes.subarray(8 + length));
    const plain = decipher.update(bytes.subarray(8, 8 + length));
    try {
      decipher.final();
    } catch (error) {
      throw corrupt(this.place, "a frame is damaged, or not the one that was asked for", error);
    }
    return plain;
  }

  /** All frames of [from, to), in order, ending with the final one. */
  *frames(bytes: Buffer, from: number, to: number): Generator<Buffer> {
    let at = from;
    for (let number = 0; ; number++) {
      if (at + frameOverheadBytes > to) throw corrupt(this.place, "it is cut short");
      const word = bytes.readUInt32BE(at + 4);
      const end = at + frameOverheadBytes + (word & 0x7fff_ffff);
      const isFinal = word >= finalBit;
      if (end > to || isFinal !== (end === to)) throw corrupt(this.place, "its frames do not fit its size");
      yield this.frame(bytes.subarray(at, end), { number, isFinal });
      if (isFinal) return;
      at = end;
    }
  }
}
