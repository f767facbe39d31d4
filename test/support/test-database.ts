// A database of its own for a test.
import { randomBytes } from "node:crypto";
import { Client } from "pg";

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /** Runs SQL on a connection of its own. */
  query<T = Record<string, unknown>>(sql: string, parameters?: readonly unknown[]): Promise<T[]>;
  drop(): Promise<void>;
}

const adminUrl = (): string => {
  const url = process.env["TEST_POSTGRES_URL"];
  if (url === undefined) throw new Error("TEST_POSTGRES_URL is not set; run through jest's project `real`");
  return url;
};

export async function createTestDatabase(template = "template0"): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  await onServer(adminUrl(), `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = new URL(adminUrl());
  url.pathname = `/${name}`;
  return {
    url: url.href,
    name,
    query: (sql, parameters) => onServer(url.href, sql, parameters),
    drop: async () => void (await onServer(adminUrl(), `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}

export async function onServer<T = Record<string, unknown>>(
  url: string,
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<T[]> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {}); // a test may end the server's side of it
  await client.connect();
  try {
    return ((await client.query(sql, parameters.length > 0 ? [...parameters] : undefined)).rows ?? []) as T[];
  } finally {
    await client.end();
  }
}
