// Small file systems for tests of a full or read-only disk. Mounting is root's; as another user there are none.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Mounted {
  readonly path: string;
  makeReadOnly(): void;
  makeWritable(): void;
  unmount(): void;
}

/** Null where this user or this system can't mount one. */
export function mountTmpfs(sizeBytes: number): Mounted | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return null;
  const path = mkdtempSync(join(tmpdir(), "wedsync-mount-"));
  const quietly = (command: string, ...parameters: string[]): void =>
    void execFileSync(command, parameters, { stdio: "ignore" });
  try {
    quietly("mount", "-t", "tmpfs", "-o", `size=${sizeBytes}`, "tmpfs", path);
  } catch {
    rmSync(path, { recursive: true }); // a container without the right to mount
    return null;
  }
  return {
    path,
    makeReadOnly: () => quietly("mount", "-o", "remount,ro", path),
    makeWritable: () => quietly("mount", "-o", "remount,rw", path),
    unmount() {
      quietly("umount", "-l", path);
      rmSync(path, { recursive: true });
    },
  };
}
