// How this product's processes are started, on whatever Node a machine has first. The Dockerfile says the same.
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Rows and files lie outside of V8's heaps; what is inside is small and short-lived. By itself a heap's youngest generation
 * grows to 64 MiB, and the rest to a multiple of what lives before it is collected, in each of a worker's heaps.
 */
export const nodeFlags = [
  "--disable-warning=ExperimentalWarning",
  "--max-semi-space-size=8",
  "--heap-growing-percent=100",
];

/**
 * TypeScript is stripped once, and not by each process: the stripper takes 60 MB of memory for as long as one lives. And the
 * C library keeps two pools for all threads, not eight for each processor.
 */
export function nodeEnvironment(environment) {
  const cache = environment.XDG_CACHE_HOME || join(homedir(), ".cache");
  return {
    NODE_COMPILE_CACHE: join(cache, "wedsync-backup", "compile-cache"),
    MALLOC_ARENA_MAX: "2",
    ...environment,
  };
}
