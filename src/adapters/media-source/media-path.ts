// Paths of media come from rows, so they are hostile until shown otherwise.

const mostPathBytes = 1024;

/**
 * The path below the source's root, or null for one that could leave it: such a file is treated as missing. Web
 * applications write "/uploads/a.jpg" and mean their own root: one leading slash is left out.
 */
export function relativeMediaPath(path: string): string | null {
  const relative = path.startsWith("/") ? path.slice(1) : path;
  const isSound =
    Buffer.byteLength(relative) <= mostPathBytes &&
    !/\p{Cc}/u.test(relative) &&
    relative.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  return isSound ? relative : null;
}
