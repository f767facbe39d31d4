import { homedir } from "node:os";
import { join } from "node:path";

/** Per user: downloaded servers, workflow bundles, unpacked binaries. Everything in it can be made again. */
export function cacheFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const base = environment["XDG_CACHE_HOME"];
  if (base !== undefined && base !== "") return join(base, "wedsync-backup");
  return process.platform === "darwin"
    ? join(homedir(), "Library", "Caches", "wedsync-backup")
    : join(homedir(), ".cache", "wedsync-backup");
}
