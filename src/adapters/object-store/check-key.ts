// What every store refuses before it does anything, so that a repository can be copied from one store to another.
import { BackupError } from "../../domain/errors.ts";
import type { ByteRange } from "../../ports/object-store.ts";

const mostKeyBytes = 1024; // S3's limit
const mostPartBytes = 255; // a file name's limit

/** @throws UsageInvalid for keys that could leave the store or mean different things to different stores. */
export function checkKey(key: string): void {
  if (!isSound(key) || !key.split("/").every(isSoundPart)) throw refused("key");
}

/** @throws UsageInvalid; the last part of a prefix may be empty or the beginning of a name. */
export function checkPrefix(prefix: string): void {
  if (prefix === "") return;
  const parts = prefix.split("/");
  const last = parts.pop() ?? "";
  if (!isSound(prefix) || !parts.every(isSoundPart) || (last !== "" && !isSoundPart(last))) throw refused("prefix");
}

/** @throws UsageInvalid */
export function checkRange({ offset, length }: ByteRange): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0)
    throw new BackupError("UsageInvalid", "A range of an object must have a whole offset and length, not below zero.");
}

const isSound = (text: string): boolean =>
  text.length <= mostKeyBytes && /^[\x21-\x7e]+$/.test(text) && !text.includes("\\");

/** A leading dot would be "..", or a file that people's tools leave out when they copy a folder. */
const isSoundPart = (part: string): boolean => part !== "" && !part.startsWith(".") && part.length <= mostPartBytes;

const refused = (what: string): BackupError =>
  new BackupError(
    "UsageInvalid",
    `An object's ${what} must be printable ASCII without backslashes, in parts between slashes, none empty, longer than ${mostPartBytes} characters or beginning with a dot.`,
  );
