// Runs SQL on the sample weddings while `npm start` runs, to try things out where there is no psql:
//   node scripts/sample-sql.mjs "SELECT * FROM public.guests LIMIT 3"
// Never on a database of yours. Runs on whatever Node the machine has (20 or later).
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import pg from "pg";

const [sql] = process.argv.slice(2);
if (sql === undefined) end(2, 'Say the SQL: node scripts/sample-sql.mjs "SELECT * FROM public.guests LIMIT 3"');

const client = new pg.Client({ connectionString: findSampleDatabase() });
try {
  await client.connect();
  // Of several statements, an answer for each.
  for (const { command, rowCount, rows } of [await client.query(sql)].flat()) {
    for (const row of rows) console.log(JSON.stringify(row));
    console.log(`${command}: ${rowCount ?? 0} ${rowCount === 1 ? "row" : "rows"}`);
  }
} catch (error) {
  end(1, `Not done: ${error.message || error.code}`);
} finally {
  await client.end();
}

/** The address has a password in it, so it is read here, and stands on no command line. */
function findSampleDatabase() {
  const path = resolve(process.env.BACKUP_DATA_DIR ?? ".wedsync", "running.json");
  let url;
  try {
    ({ databaseUrl: url } = JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    end(1, `There is no ${path} to read (${error.code ?? error.name}): npm start must be running.`);
  }
  if (url === null) end(1, "npm start serves a database of yours; this is for the sample weddings alone.");
  return url;
}

function end(code, message) {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}
