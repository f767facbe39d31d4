// Starts, once for the whole run, the servers that tests use: Postgres, Temporal and an S3 server, all real, all on
// loopback. Where their addresses are set from outside, those are used and nothing is started.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { startEmbeddedPostgres } from "../../src/local/embedded-postgres.ts";
import { findTemporalCli } from "../../src/local/temporal-cli.ts";
import { startTemporalServer } from "../../src/local/temporal-server.ts";
import { startS3Server } from "./s3-server.ts";

export type StopServers = () => Promise<void>;

export default async function startServers(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "wedsync-backup-test-"));
  await chmod(folder, 0o711); // as root, Postgres runs as another user, who must get through to its files
  const stops: StopServers[] = [() => rm(folder, { recursive: true, force: true })];
  const say = (line: string): void => void process.stderr.write(`test servers: ${line}\n`);
  const cacheDir = cacheFolder(process.env);
  if (process.env["TEST_POSTGRES_URL"] === undefined) {
    const postgres = await startEmbeddedPostgres(join(folder, "postgres"));
    stops.push(() => postgres.stop());
    process.env["TEST_POSTGRES_URL"] = postgres.url("postgres");
  }
  if (process.env["TEST_TEMPORAL_ADDRESS"] === undefined) {
    const cli = await findTemporalCli({ cliPath: process.env["TEMPORAL_CLI_PATH"] ?? null, cacheDir, say });
    const temporal = await startTemporalServer({ folder: join(folder, "temporal"), cli });
    stops.push(() => temporal.stop());
    process.env["TEST_TEMPORAL_ADDRESS"] = temporal.address;
  }
  if (process.env["TEST_S3_ENDPOINT"] === undefined) {
    const s3 = await startS3Server(join(folder, "s3"), cacheDir, say);
    stops.push(() => s3.stop());
    process.env["TEST_S3_ENDPOINT"] = s3.endpoint;
    process.env["TEST_S3_ACCESS_KEY"] = s3.accessKeyId;
    process.env["TEST_S3_SECRET_KEY"] = s3.secretAccessKey;
  }
  (globalThis as { stopTestServers?: StopServers }).stopTestServers = async () => {
    for (const stop of stops.reverse()) await stop();
  };
}
