// One statement on a connection of its own.
import { Client } from "pg";

export async function queryOnce<T extends Record<string, unknown>>(
  connectionString: string,
  sql: string,
): Promise<T[]> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}
