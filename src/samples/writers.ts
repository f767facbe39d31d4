// Writers that keep changing sample weddings, as an app does: mostly inserts and updates, some deletes, and guests who move
// to another household. For tests and demonstrations of backups under load.
import { Client } from "pg";
import { Random } from "./random.ts";

export interface Writers {
  /** Committed changes so far, by all writers. */
  changes(): number;
  /** Ends after the changes under way. @throws what any writer failed of. */
  stop(): Promise<void>;
}

interface Change {
  readonly weight: number;
  readonly sql: string;
}

/** `$1` is one organization; each picks its row by chance in the server, and changes nothing when there is none. */
const someGuest = "(SELECT id FROM guests WHERE organization_id = $1 ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED)";
const changes: readonly Change[] = [
  {
    weight: 4,
    sql: `INSERT INTO messages (id, organization_id, wedding_id, author, body, sent_at)
      SELECT gen_random_uuid(), organization_id, id, 'writer', repeat(md5(random()::text), 4), clock_timestamp()
      FROM weddings WHERE organization_id = $1 ORDER BY random() LIMIT 1`,
  },
  {
    weight: 3,
    sql: `INSERT INTO guests (id, organization_id, wedding_id, first_name, last_name, created_at, updated_at)
      SELECT gen_random_uuid(), organization_id, id, 'New', 'Guest', clock_timestamp(), clock_timestamp()
      FROM weddings WHERE organization_id = $1 ORDER BY random() LIMIT 1`,
  },
  {
    weight: 5,
    sql: `UPDATE guests SET notes = md5(random()::text), updated_at = clock_timestamp() WHERE id = ${someGuest}`,
  },
  {
    weight: 2,
    sql: `UPDATE guests AS g SET household_id = (
        SELECT id FROM households WHERE wedding_id = g.wedding_id ORDER BY random() LIMIT 1
      ) WHERE id = ${someGuest}`,
  },
  {
    weight: 1,
    sql: `DELETE FROM messages WHERE (id, sent_at) IN (
        SELECT id, sent_at FROM messages WHERE organization_id = $1 ORDER BY random() LIMIT 2 FOR UPDATE SKIP LOCKED
      )`,
  },
  // Takes answers, needs and seats with it.
  { weight: 1, sql: `DELETE FROM guests WHERE id = ${someGuest}` },
];

/** A cascade may cross another writer's change; the app, too, would try again. */
const retried = new Set(["40P01", "40001", "23503"]);

export async function startWriters(input: {
  readonly databaseUrl: string;
  readonly organizationIds: readonly string[];
  readonly writers: number;
  readonly seed: number;
}): Promise<Writers> {
  const { databaseUrl, organizationIds, writers, seed } = input;
  const weighted = changes.flatMap(({ weight, sql }) => Array.from({ length: weight }, () => sql));
  let stopped = false;
  let committed = 0;

  async function write(client: Client, random: Random): Promise<void> {
    try {
      while (!stopped) {
        const sql = random.pick(weighted);
        try {
          await client.query(sql, [random.pick(organizationIds)]);
          committed += 1;
        } catch (error) {
          if (!retried.has((error as { code?: string }).code ?? "")) throw error;
        }
      }
    } finally {
      await client.end();
    }
  }

  const clients = Array.from({ length: writers }, () => new Client({ connectionString: databaseUrl }));
  await Promise.all(clients.map((client) => client.connect()));
  const running = Promise.allSettled(clients.map((client, index) => write(client, new Random(seed + index))));
  return {
    changes: () => committed,
    async stop() {
      stopped = true;
      const failed = (await running).find((each) => each.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    },
  };
}
