// What the servers of a data folder work for. A command that hands its work to them must mean the same database and the
// same store: else it would report as done what was done to others.
import type { Config } from "../config/config.ts";
import { BackupError } from "../domain/errors.ts";

export interface ServedParts {
  /** Each as a person knows it; without a password. */
  readonly source: string;
  readonly store: string;
}

export function describeServedParts({ sourceUrl, storage }: Pick<Config, "sourceUrl" | "storage">): ServedParts {
  const place = storage.provider === "filesystem" ? "folder" : `bucket at ${storage.endpoint ?? "Amazon S3"}`;
  return { source: describeSource(sourceUrl), store: `${place} ${storage.bucket}` };
}

function describeSource(url: string | null): string {
  if (url === null) return "the embedded one";
  const { hostname, port, pathname, searchParams } = new URL(url);
  const host = searchParams.get("host") ?? hostname; // a socket's folder
  return `${decodeURIComponent(pathname.slice(1))} at ${host}:${searchParams.get("port") ?? (port === "" ? "5432" : port)}`;
}

/** @throws ConfigurationInvalid, naming each part in which they differ. */
export function refuseOtherParts(running: ServedParts | undefined, wanted: ServedParts, dataDir: string): void {
  if (running === undefined) return; // servers of a version that did not say
  const differences: string[] = [];
  if (running.source !== wanted.source)
    differences.push(`source database: ${running.source} there, ${wanted.source} here (BACKUP_SOURCE_DATABASE_URL)`);
  if (running.store !== wanted.store)
    differences.push(`store: ${running.store} there, ${wanted.store} here (BACKUP_STORAGE_BUCKET)`);
  if (differences.length === 0) return;
  throw new BackupError(
    "ConfigurationInvalid",
    `What runs on the data folder ${dataDir} works for other parts than this command means:\n- ${differences.join("\n- ")}\nSet the same variables here and there, stop it (Ctrl-C where \`npm start\` runs), or set BACKUP_DATA_DIR to another folder.`,
    { differences },
  );
}
