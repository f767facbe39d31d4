// File names for what a backup holds. Names of tables and paths of files come from an app's rows and schema, so they are
// hostile: none may leave the folder, hide, clash or be refused by a file system, and none may be lost for its name.
import { sha256 } from "../crypto/sha256.ts";

/** What every file system keeps as it is. */
const plain = /^[A-Za-z0-9_ ()+,;=@~-][A-Za-z0-9_ ()+,;=@~.-]*$/;
const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
const maxBytes = 180;

/** One part of a path. Letters of any language stay; what could act is written as %XX, also the % itself. */
export function safeName(name: string): string {
  if (name === "") return "%";
  let safe = plain.test(name) ? name : name.replaceAll(/[^\p{L}\p{M}\p{N}_ ()+,;=@~.-]/gu, percent);
  if (safe.startsWith(".")) safe = `%2E${safe.slice(1)}`;
  if (/[. ]$/.test(safe)) safe = safe.slice(0, -1) + percent(safe.slice(-1));
  if (reserved.test(safe)) safe = percent(safe.slice(0, 1)) + safe.slice(1);
  if (Buffer.byteLength(safe) <= maxBytes) return safe;
  const hash = sha256(name).slice(0, 16);
  const extension = /\.[A-Za-z0-9]{1,8}$/.exec(safe)?.[0] ?? "";
  let kept = "";
  for (const character of safe) {
    if (Buffer.byteLength(kept) + Buffer.byteLength(character) > maxBytes - 30) break;
    kept += character;
  }
  return `${kept}%${hash}${extension}`;
}

const percent = (text: string): string =>
  Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");

/** Hands out relative paths that are unlike each other on every file system: letter case and accents' forms aside. */
export class FolderNames {
  private readonly files = new Set<string>();
  private readonly folders = new Set<string>();

  /** `parts` below each other, the last one a file. */
  take(parts: readonly string[]): string {
    const safe = parts.map(safeName);
    const name = safe.pop() ?? "%";
    let folder = "";
    for (const part of safe) {
      folder = this.unlike(folder, part, (path) => !this.files.has(path));
      this.folders.add(key(folder));
      folder += "/";
    }
    const path = this.unlike(folder, name, (candidate) => !this.files.has(candidate) && !this.folders.has(candidate));
    this.files.add(key(path));
    return path;
  }

  private unlike(folder: string, name: string, isFree: (path: string) => boolean): string {
    for (let number = 1; ; number++) {
      const path = `${folder}${name}${number === 1 ? "" : `%~${number}`}`;
      if (isFree(key(path))) return path;
    }
  }
}

const key = (path: string): string => path.normalize("NFC").toLowerCase();
