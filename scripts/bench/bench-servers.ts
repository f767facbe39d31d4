// The servers under the benchmark: Postgres, Temporal and an S3 store, on loopback, in a folder that goes away.
// Postgres is the machine's own where it is complete, so that psql and pg_dump of its version can be peers; else the
// embedded one, which brings neither.
import { access, chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { cacheFolder } from "../../src/local/cache-folder.ts";
import { startEmbeddedPostgres } from "../../src/local/embedded-postgres.ts";
import { findTemporalCli } from "../../src/local/temporal-cli.ts";
import { startTemporalServer } from "../../src/local/temporal-server.ts";
import { startS3Server, type S3Server } from "../../test/support/s3-server.ts";
import { queryOnce } from "./query-once.ts";

export interface BenchServers {
  readonly folder: string;
  readonly postgresPrograms: string | null;
  postgresUrl(database: string): string;
  createDatabase(name: string): Promise<string>;
  /** With whoever is connected to it. */
  dropDatabase(url: string): Promise<void>;
  createBucket(name: string): Promise<void>;
  readonly temporalAddress: string;
  readonly s3: S3Server;
  stop(): Promise<void>;
}

export async function startBenchServers(say: (line: string) => void): Promise<BenchServers> {
  const folder = await mkdtemp(join(tmpdir(), "wedsync-backup-bench-"));
  await chmod(folder, 0o711); // as root, Postgres runs as another user, who must get through to its files
  const stops: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const step of stops.splice(0).reverse()) await step();
  };
  try {
    const cacheDir = cacheFolder(process.env);
    const programs = await findCompletePostgres();
    const postgres = await startEmbeddedPostgres(join(folder, "postgres"), programs === null ? {} : { programs });
    stops.push(() => postgres.stop());
    const cli = await findTemporalCli({ cliPath: process.env["TEMPORAL_CLI_PATH"] ?? null, cacheDir, say });
    const temporal = await startTemporalServer({ folder: join(folder, "temporal"), cli });
    stops.push(() => temporal.stop());
    const s3 = await startS3Server(join(folder, "s3"), cacheDir, say);
    stops.push(() => s3.stop());
    return {
      folder,
      postgresPrograms: programs,
      postgresUrl: (database) => postgres.url(database),
      async createDatabase(name) {
        await postgres.createDatabase(name);
        return postgres.url(name);
      },
      async dropDatabase(url) {
        await queryOnce(postgres.url("postgres"), `DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
      },
      createBucket: (name) => createBucket(s3, name),
      temporalAddress: temporal.address,
      s3,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function createBucket({ endpoint, accessKeyId, secretAccessKey }: S3Server, name: string): Promise<void> {
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  await client.send(new CreateBucketCommand({ Bucket: name }));
  client.destroy();
}

/** Debian keeps each major version in a folder of its own; only psql and pg_dump are on the PATH. */
async function findCompletePostgres(): Promise<string | null> {
  const root = "/usr/lib/postgresql";
  const majors = await readdir(root).catch(() => []); // not Debian, or no Postgres
  for (const major of majors.toSorted((a, b) => Number(b) - Number(a))) {
    const folder = join(root, major, "bin");
    const programs = ["initdb", "postgres", "psql", "pg_dump"].map((name) => access(join(folder, name)));
    if ((await Promise.allSettled(programs)).every(({ status }) => status === "fulfilled")) return folder;
  }
  return null;
}
