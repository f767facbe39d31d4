import { expect, test } from "@jest/globals";
import { isOwnFile } from "../../../src/domain/media-folder.ts";

const catalogue = { mediaFolder: "tenants/{organization}/" };

test.each([
  ["tenants/42/a.jpg", true],
  ["/tenants/42/photos/a b.jpg", true],
  ["tenants/42/..a.jpg", true],
  ["tenants/421/a.jpg", false],
  ["tenants/42", false],
  ["tenants/7/a.jpg", false],
  ["tenants/42/../7/a.jpg", false],
  ["tenants/42/./../7/a.jpg", false],
  ["tenants/42\\..\\..\\7\\a.jpg", false],
  ["tenants/42/..\\7\\a.jpg", false],
  ["//tenants/42/a.jpg", false],
  ["tenants//42/a.jpg", false],
  ["../tenants/42/a.jpg", false],
  ["Tenants/42/a.jpg", false],
  ["", false],
])("%s: %s", (path, isOwn) => {
  expect(isOwnFile(catalogue, "42", path)).toBe(isOwn);
});

test("an id is taken as it is, and without a folder rows are believed", () => {
  expect(isOwnFile(catalogue, "$&", "tenants/$&/a.jpg")).toBe(true);
  expect(isOwnFile({}, "42", "../anywhere")).toBe(true);
});
