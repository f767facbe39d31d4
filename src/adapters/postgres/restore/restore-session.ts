// A connection that may write, with the same pinned settings as the one that reads backups.
import { to as copyTo } from "pg-copy-streams";
import { quoteIdentifier } from "../../../domain/sql-quoting.ts";
import { openConnection, type SourceConnection } from "../connection.ts";
import { copyIn } from "../copy-in.ts";
import { mapRestoreError } from "./map-restore-error.ts";

export type Row = Readonly<Record<string, string | null>>;

export class RestoreSession {
  private readonly connection: SourceConnection;
  private readonly mayShare: boolean;
  private lostBecause: string | null = null;

  private constructor(connection: SourceConnection, mayShare: boolean) {
    this.connection = connection;
    this.mayShare = mayShare;
    void connection.lost.then((reason) => (this.lostBecause = reason));
  }

  /**
   * @param mayShare whether the server may use a second process for what only reads.
   * @throws RestoreTargetUnreachable, RestoreTargetRefused
   */
  static async open(url: string, { mayShare = true } = {}): Promise<RestoreSession> {
    const connection = await openConnection(url, "wedsync-backup restore").catch((error: unknown) => {
      throw mapRestoreError(error, "connecting to the database");
    });
    const session = new RestoreSession(connection, mayShare);
    // Only what this session does itself is waited for; an app's session that hangs on a lock is not.
    await session.execute(
      "SET default_transaction_read_only = off; SET lock_timeout = '30s'; SET work_mem = '64MB'",
      "connecting",
    );
    return session;
  }

  /** One snapshot for all that follows. What only reads may take a second process, as staging takes a second session. */
  async beginSnapshot(doing: string): Promise<void> {
    await this.execute(
      `BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL max_parallel_workers_per_gather = ${this.mayShare ? 1 : 0}`,
      doing,
    );
  }

  get client() {
    return this.connection.client;
  }

  async rows(sql: string, doing: string, parameters: readonly unknown[] = []): Promise<readonly Row[]> {
    return (await this.run(sql, doing, parameters)).rows;
  }

  /** The first column of the first row. */
  async value(sql: string, doing: string, parameters: readonly unknown[] = []): Promise<string | null> {
    const [row] = await this.rows(sql, doing, parameters);
    return row === undefined ? null : (Object.values(row)[0] ?? null);
  }

  async count(sql: string, doing: string): Promise<number> {
    return Number((await this.value(sql, doing)) ?? 0);
  }

  /** @returns rows that were written. */
  async execute(sql: string, doing: string, parameters: readonly unknown[] = []): Promise<number> {
    return (await this.run(sql, doing, parameters)).rowCount;
  }

  /**
   * pg_catalog first, so that nothing stands in for its functions; the app's schemas and those of extensions behind it,
   * so that operators of theirs (citext's =) and functions in their checks are found.
   */
  async setSearchPath(schemas: readonly string[]): Promise<void> {
    const path = ["pg_catalog", ...schemas].map(quoteIdentifier).join(", ");
    await this.execute(`SET search_path = ${path}`, "setting the search path");
  }

  async copyIn(sql: string, rows: AsyncIterable<Buffer>, doing: string): Promise<number> {
    let taken: number;
    try {
      taken = await copyIn(this.client, sql, rows);
    } catch (error) {
      this.connection.destroy();
      throw mapRestoreError(error, doing);
    }
    this.assertConnected(doing);
    return taken;
  }

  async *copyOut(sql: string, doing: string): AsyncGenerator<Buffer> {
    const source = this.client.query(copyTo(sql));
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) yield chunk;
    } catch (error) {
      throw mapRestoreError(error, doing);
    }
    this.assertConnected(doing);
  }

  /** Rolls back what can be; a connection that is gone has been rolled back by the server. */
  async rollBack(): Promise<void> {
    if (this.lostBecause === null) await this.client.query("ROLLBACK").catch(() => {});
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  /** A COPY stream ends like a complete one when its connection does. */
  private assertConnected(doing: string): void {
    if (this.lostBecause !== null)
      throw mapRestoreError(Object.assign(new Error(this.lostBecause), { code: "08006" }), doing);
  }

  private async run(
    sql: string,
    doing: string,
    parameters: readonly unknown[],
  ): Promise<{ rows: Row[]; rowCount: number }> {
    try {
      const answer = await this.client.query<Record<string, string | null>>(
        sql,
        parameters.length === 0 ? undefined : [...parameters],
      );
      return { rows: answer.rows ?? [], rowCount: answer.rowCount ?? 0 };
    } catch (error) {
      throw mapRestoreError(error, doing);
    }
  }
}
