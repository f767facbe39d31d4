import { BackupError } from "../../domain/errors.ts";

/** @throws UsageInvalid for keys that could leave the store or mean different things to different stores. */
export function checkKey(key: string): void {
  const parts = key.split("/");
  const sound =
    key.length <= 1024 &&
    /^[\x21-\x7e]+$/.test(key) &&
    !key.includes("\\") &&
    parts.every((part) => part !== "" && part !== "." && part !== "..");
  if (!sound)
    throw new BackupError("UsageInvalid", "An object's key must be printable ASCII in parts between slashes.");
}
