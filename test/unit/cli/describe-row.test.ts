// A masked column says that it differs and nothing else, in the key as well.
import { expect, test } from "@jest/globals";
import { describeRow } from "../../../src/cli/describe-restore.ts";

const row = {
  number: 7,
  table: "public.guests",
  kind: "changed",
  key: { email: "anna@example.org" },
  backup: { email: "anna@example.org", phone: "01234", status: "yes" },
  live: { email: "anna@example.org", phone: "98765", status: "no" },
  differs: ["phone", "status"],
} as unknown as Parameters<typeof describeRow>[0];

test("values of masked columns are not printed", () => {
  const open = describeRow(row);
  expect(open).toContain("01234");
  const masked = describeRow(row, new Set(["email", "phone"]));
  for (const secret of ["anna@", "01234", "98765"]) expect(masked).not.toContain(secret);
  expect(masked).toContain("(masked)");
  expect(masked).toContain("yes");
});
