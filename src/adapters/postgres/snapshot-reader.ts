// A reader of an exported snapshot: its own connection and transaction. It takes no locks of its own: the holder's ACCESS
// SHARE locks keep the tables from being truncated or rewritten for as long as the snapshot can be imported.
import type { Submittable } from "pg";
import { fillOrganization } from "../../domain/sql-quoting.ts";
import type { SnapshotReader, SnapshotReference } from "../../ports/source-database.ts";
import { openConnection, type SourceConnection } from "./connection.ts";
import { CopyOut } from "./copy-out.ts";
import { mapPostgresError } from "./map-error.ts";

export async function importSnapshot(
  url: string,
  applicationName: string,
  reference: SnapshotReference,
): Promise<SnapshotReader> {
  const connection = await openConnection(url, applicationName);
  try {
    const name = reference.name.replaceAll("'", "''");
    await connection.client.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '${name}'`,
    );
  } catch (error) {
    await connection.close();
    throw mapPostgresError(error, "importing the snapshot", true);
  }
  return new PostgresSnapshotReader(connection);
}

class PostgresSnapshotReader implements SnapshotReader {
  private readonly connection: SourceConnection;

  constructor(connection: SourceConnection) {
    this.connection = connection;
  }

  async *copyRows(sql: string, organizationId: string): AsyncGenerator<Buffer> {
    const copy = new CopyOut(`COPY (${fillOrganization(sql, organizationId)}) TO STDOUT`);
    void this.connection.lost.then((reason) => copy.fail(Object.assign(new Error(reason), { code: "08006" })));
    try {
      this.connection.client.query(copy as unknown as Submittable);
      yield* copy;
    } catch (error) {
      throw mapPostgresError(error, "reading rows");
    } finally {
      // The reader stopped: a COPY that nobody reads keeps its connection busy for ever.
      if (!copy.isOver) this.connection.destroy();
    }
  }

  async query(sql: string, parameters: readonly string[]): Promise<readonly Readonly<Record<string, string | null>>[]> {
    try {
      const { rows } = await this.connection.client.query<Record<string, string | null>>(sql, [...parameters]);
      return rows;
    } catch (error) {
      throw mapPostgresError(error, "reading from the snapshot");
    }
  }

  async close(): Promise<void> {
    await this.connection.close();
  }
}
