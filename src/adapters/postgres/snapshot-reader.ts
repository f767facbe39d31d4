// A reader of an exported snapshot: its own connection and transaction. It takes no locks of its own: the holder's ACCESS
// SHARE locks keep the tables from being truncated or rewritten for as long as the snapshot can be imported.
import { pipeline, type Readable } from "node:stream";
import { PassThrough } from "node:stream";
import { to as copyTo } from "pg-copy-streams";
import { fillOrganization } from "../../domain/sql-quoting.ts";
import type { SnapshotReader, SnapshotReference } from "../../ports/source-database.ts";
import { openConnection, type SourceConnection } from "./connection.ts";
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

  copyRows(sql: string, organizationId: string): Readable {
    const copy = this.connection.client.query(copyTo(`COPY (${fillOrganization(sql, organizationId)}) TO STDOUT`));
    // pg-copy-streams' own stream ends without an error when the connection does; through this one, an end is an end.
    const rows = new PassThrough({ readableHighWaterMark: 1024 * 1024, writableHighWaterMark: 256 * 1024 });
    let complete = false;
    copy.on("end", () => (complete = true));
    void this.connection.lost.then((reason) => {
      if (!complete)
        rows.destroy(mapPostgresError(Object.assign(new Error(reason), { code: "08006" }), "reading rows"));
    });
    pipeline(copy, rows, (error) => {
      // The reader stopped, or the server refused: a COPY that nobody reads keeps its connection busy for ever.
      if (error && !complete) this.connection.destroy();
    });
    rows.on("error", () => {}); // the reader of `rows` has it too; without a listener a late one would end the process
    return wrapErrors(rows);
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

function wrapErrors(rows: PassThrough): Readable {
  const iterate = rows[Symbol.asyncIterator].bind(rows);
  rows[Symbol.asyncIterator] = async function* () {
    try {
      yield* iterate();
    } catch (error) {
      throw mapPostgresError(error, "reading rows");
    }
  } as typeof iterate;
  return rows;
}
