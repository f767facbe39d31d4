// What this machine must run itself: a Postgres with sample weddings when no source is configured, and a Temporal
// development server when no address is. Started in order, stopped in reverse; the data folder is held meanwhile.
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { lockDataFolder, type DataFolder, type RunningServers } from "./data-folder.ts";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";
import { findTemporalCli } from "./temporal-cli.ts";
import { startTemporalServer } from "./temporal-server.ts";

export interface LocalStack extends RunningServers {
  readonly folder: DataFolder;
  /** The embedded database was made by this start and has nothing in it yet. */
  readonly isNewDatabase: boolean;
  /** For scratch databases; null when Postgres is not ours. */
  readonly databaseUrlOf: ((database: string) => string) | null;
  stop(): Promise<void>;
}

export const embeddedDatabaseName = "wedsync";

export async function startLocalStack(
  config: Config,
  options: { cacheDir: string; say: (line: string) => void },
): Promise<LocalStack> {
  const folder = await lockDataFolder(config.dataDir);
  const stops: (() => Promise<void>)[] = [() => folder.release()];
  const stop = async (): Promise<void> => {
    for (const step of stops.splice(0).reverse()) await step();
  };
  try {
    let databaseUrl: string | null = null;
    let databaseUrlOf: LocalStack["databaseUrlOf"] = null;
    let isNewDatabase = false;
    if (config.sourceUrl === null) {
      const postgres = await startEmbeddedPostgres(join(config.dataDir, "postgres"));
      stops.push(() => postgres.stop());
      await folder.rememberServer("postgres", postgres.pid);
      isNewDatabase = await postgres.createDatabase(embeddedDatabaseName);
      databaseUrl = postgres.url(embeddedDatabaseName);
      databaseUrlOf = (database) => postgres.url(database);
    }
    let temporalAddress: string | null = null;
    let temporalUiUrl: string | null = null;
    if (config.temporal.address === null) {
      const cli = await findTemporalCli({ cliPath: config.temporal.cliPath, ...options });
      const temporal = await startTemporalServer({ folder: join(config.dataDir, "temporal"), cli });
      stops.push(() => temporal.stop());
      await folder.rememberServer("temporal", temporal.pid);
      temporalAddress = temporal.address;
      temporalUiUrl = temporal.uiUrl;
    }
    return { folder, databaseUrl, databaseUrlOf, isNewDatabase, temporalAddress, temporalUiUrl, facadeUrl: null, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
