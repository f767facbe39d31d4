// Whose file a path is. A row is the tenant's own to write, and may name any path of the media source; what another
// organization's folder holds is not to be read, stored or written over for it.
import type { Catalogue } from "./catalogue.ts";

/** Stands for the organization's id, as a whole folder's name. */
export const organizationPlaceholder = "{organization}";

/**
 * True where the catalogue declares no folder: then rows are believed. A path with "." or ".." in it is nobody's: what it
 * leads to is the source's to decide. One slash in front means the source's root, as without it.
 */
export function isOwnFile(
  { mediaFolder }: Pick<Catalogue, "mediaFolder">,
  organizationId: string,
  path: string,
): boolean {
  if (mediaFolder === undefined) return true;
  const bare = path.startsWith("/") ? path.slice(1) : path;
  if (bare.split(/[/\\]/).some((name) => name === "" || name === "." || name === "..")) return false;
  return bare.startsWith(mediaFolder.replaceAll(organizationPlaceholder, () => organizationId));
}
