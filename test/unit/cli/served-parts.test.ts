import { expect, test } from "@jest/globals";
import { describeServedParts, refuseOtherParts } from "../../../src/cli/served-parts.ts";
import type { StorageSettings } from "../../../src/adapters/object-store/open-object-store.ts";
import { outcomeOf } from "../../support/outcome.ts";

const storage: StorageSettings = {
  provider: "filesystem",
  bucket: "/data/repository",
  region: null,
  endpoint: null,
  accessKeyId: null,
  secretAccessKey: null,
  sessionToken: null,
  serverSideEncryption: null,
};
const samples = describeServedParts({ sourceUrl: null, storage });
const own = describeServedParts({ sourceUrl: "postgres://backup:hush@db.example.org/app?sslmode=require", storage });

test("a command that means the same database and store is let through, whatever its login", async () => {
  const again = describeServedParts({ sourceUrl: "postgres://other:word@db.example.org:5432/app", storage });
  expect(await outcomeOf(() => refuseOtherParts(own, again, "/data"))).toBe("done");
  expect(await outcomeOf(() => refuseOtherParts(undefined, again, "/data"))).toBe("done");
  const socket = describeServedParts({ sourceUrl: "postgres://me@localhost/app?host=/var/run/postgresql", storage });
  expect(socket.source).toBe("app at /var/run/postgresql:5432");
});

test("one that means others is refused, with each of them and without a password", () => {
  const elsewhere = describeServedParts({
    sourceUrl: "postgres://backup:hush@db.example.org/app",
    storage: { ...storage, provider: "aws", bucket: "backups", endpoint: "https://s3.example.org" },
  });
  const refuse = (): void => refuseOtherParts(samples, elsewhere, "/data");
  expect(refuse).toThrow(
    /data folder \/data works for other parts.*\n- source database: the embedded one there, app at db\.example\.org:5432 here.*\n- store: folder \/data\/repository there, bucket at https:\/\/s3\.example\.org backups here/,
  );
  expect(refuse).not.toThrow(/hush/);
  expect(() => refuseOtherParts(own, elsewhere, "/data")).toThrow(/^(?!.*source database)/s);
});
