// How a copy under another organization's id is refused: by the places that are in the way.
import { BackupError } from "../../../domain/errors.ts";

export const cloneRefusal = (what: string, lines: readonly string[]): BackupError =>
  new BackupError("CloneRefused", `${what}; nothing was touched:\n- ${lines.join("\n- ")}`, { places: lines });
