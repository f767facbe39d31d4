// The control tables' connections. One query is one concept in its own file; this is what they share.
import { Pool, type QueryResultRow } from "pg";
import { mapControlError } from "./map-control-error.ts";

export interface Queryable {
  query<T extends QueryResultRow>(sql: string, parameters?: readonly unknown[]): Promise<T[]>;
}

export interface ControlDatabase extends Queryable {
  close(): Promise<void>;
}

export function openControlDatabase(url: string): ControlDatabase {
  const pool = new Pool({
    connectionString: url,
    application_name: "wedsync-backup control",
    max: 10,
    connectionTimeoutMillis: 10_000,
  });
  pool.on("error", () => {}); // an idle connection that ends is replaced when it is needed again
  return {
    async query<T extends QueryResultRow>(sql: string, parameters: readonly unknown[] = []): Promise<T[]> {
      try {
        return (await pool.query<T>(sql, [...parameters])).rows;
      } catch (error) {
        throw mapControlError(error);
      }
    },
    close: () => pool.end(),
  };
}
