// Makes sample weddings: the schema, any number of organizations of any size, and their photo files. Deterministic from
// the seed; written by COPY. Flow: rows of one organization are made as COPY text per table, and flushed when large.
import { mkdir, writeFile } from "node:fs/promises";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { finished } from "node:stream/promises";
import { Client } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { makePhoto } from "./photo.ts";
import { OrganizationRows } from "./organization-rows.ts";
import { Random } from "./random.ts";
import type { TableText } from "./sample-rows.ts";
import type { SampleSize } from "./sample-size.ts";
import { columnsOf, tableOrder } from "./tables.ts";

export interface SampleOptions extends SampleSize {
  readonly databaseUrl: string;
  /** Where the photos go; null = rows name files that are not made. */
  readonly mediaDir: string | null;
  readonly seed: number;
}

export interface SampleResult {
  readonly organizationIds: readonly string[];
  readonly rows: number;
  readonly copyBytes: number;
  readonly files: number;
}

const flushBytes = 8 * 1024 * 1024;

export async function createSampleSchema(databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(await readFile(new URL("./schema.sql", import.meta.url), "utf8"));
    await client.query(
      "INSERT INTO currencies VALUES ('EUR', 'Euro', 2), ('GBP', 'Pound sterling', 2), ('JPY', 'Yen', 0)",
    );
  } finally {
    await client.end();
  }
}

export async function generateSampleWeddings(options: SampleOptions): Promise<SampleResult> {
  const client = new Client({ connectionString: options.databaseUrl });
  await client.connect();
  const organizationIds: string[] = [];
  let rows = 0;
  let copyBytes = 0;
  let files = 0;
  try {
    // The circle weddings → guests is written in any order; foreign keys hold by construction and are checked by tests.
    await client.query("BEGIN; SET CONSTRAINTS ALL DEFERRED");
    for (let index = 0; index < options.organizations; index++) {
      const random = new Random(options.seed * 1_000_003 + index);
      const weddings = options.weddingsPerOrganization * (index === 0 ? options.bigFactor : 1);
      const organization = new OrganizationRows(random, index);
      organizationIds.push(organization.id);
      for (let number = 0; number < weddings; number++) {
        organization.addWedding(options, number);
        if (organization.made.bytes > flushBytes) copyBytes += await flush(client, organization.made.take());
      }
      copyBytes += await flush(client, organization.made.take());
      rows += organization.made.rows;
      if (options.mediaDir !== null) {
        for (const path of organization.paths)
          await writePhoto(join(options.mediaDir, path), random, options.photoBytes);
        files += organization.paths.length;
      }
    }
    await client.query("COMMIT");
    await client.query("ANALYZE");
  } finally {
    await client.end();
  }
  return { organizationIds, rows, copyBytes, files };
}

async function flush(client: Client, tables: ReadonlyMap<string, TableText>): Promise<number> {
  let bytes = 0;
  for (const table of tableOrder) {
    const text = tables.get(table)?.join("") ?? "";
    if (text === "") continue;
    const body = Buffer.from(text);
    const stream = client.query(copyFrom(`COPY ${table} (${columnsOf[table]}) FROM STDIN`));
    stream.end(body);
    await finished(stream);
    bytes += body.length;
  }
  return bytes;
}

async function writePhoto(path: string, random: Random, sizeBytes: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, makePhoto(random, sizeBytes));
}
