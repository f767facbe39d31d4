// Where files lie, by BACKUP_MEDIA_URL: a folder, file:///… or s3://bucket/prefix.
import { fileURLToPath } from "node:url";

export type MediaPlace = { readonly folder: string } | { readonly bucket: string; readonly prefix: string };

export function readMediaUrl(url: string): MediaPlace {
  if (!url.startsWith("s3://")) return { folder: url.startsWith("file:") ? fileURLToPath(url) : url };
  const { hostname, pathname } = new URL(url);
  const prefix = pathname.replace(/^\/+/, "").replace(/\/*$/, "/");
  return { bucket: hostname, prefix: prefix === "/" ? "" : prefix };
}
