// R2, complete: every single bit of every object of a small repository, one after the other. Verification runs for each of
// the 90,000 bits; reading, which costs seven times as much, for one bit of each byte, the next bit at the next byte.
// (A byte is covered as a whole by its tag or checksum: there is no bit in it that another check is responsible for.)
import { expect, test } from "@jest/globals";
import { flipped, isFound, isRead, makeSubject, readBackup, withObject } from "../support/flip-bits.ts";

test("every flipped bit is found with the verification key alone", async () => {
  const subject = await makeSubject();
  const unseen: string[] = [];
  for (const target of subject.targets) {
    for (let bit = 0; bit < target.bytes.length * 8; bit++) {
      await withObject(subject.store, target.key, flipped(target.bytes, bit), async () => {
        if (!(await isFound(subject, target))) unseen.push(`${target.key} bit ${bit}`);
      });
    }
  }
  expect(unseen).toEqual([]);
}, 900_000);

test("a flipped bit in every byte that a backup needs is refused by reading it; in any other it changes nothing", async () => {
  const subject = await makeSubject();
  const wrong: string[] = [];
  for (const target of subject.targets) {
    for (let at = 0; at < target.bytes.length; at++) {
      await withObject(subject.store, target.key, flipped(target.bytes, at * 8 + (at % 8)), async () => {
        for (const backup of subject.backups) {
          if (!target.organizations.includes(backup.organizationId)) continue;
          const isWhole = (await readBackup(subject, backup)) === "whole";
          if (isWhole === isRead(backup.manifest, target, at)) wrong.push(`${target.key} byte ${at}`);
        }
      });
    }
  }
  expect(wrong).toEqual([]);
}, 900_000);
