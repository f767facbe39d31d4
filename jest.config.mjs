// @swc/jest strips types; Node's own loader is not used by jest, so the transform is named here.
export default {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: { "^.+\\.ts$": ["@swc/jest", { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "es6" } }] },
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  testTimeout: 120_000,
};
