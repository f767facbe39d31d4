// How this product's processes are started, on whatever Node a machine has first. The Dockerfile says the same.
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The collector's youngest generation grows to 64 MiB and more by itself, for each of a worker's three heaps; with 16 it is
 * quicker, because data lies outside of it.
 */
export const nodeFlags = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=16"];

/** TypeScript is stripped once, and not by each process: the stripper takes 60 MB of memory for as long as one lives. */
export function nodeEnvironment(environment) {
  const cache = environment.XDG_CACHE_HOME || join(homedir(), ".cache");
  return { NODE_COMPILE_CACHE: join(cache, "wedsync-backup", "compile-cache"), ...environment };
}
