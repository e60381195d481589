// What every client for Node is asked: named cases, one line of output for each. See ../main.rs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const address = (text) => ({ host: text.slice(0, text.lastIndexOf(":")), port: Number(text.slice(text.lastIndexOf(":") + 1)) });

export const DOOR = address(process.env.DOOR);
export const LOCKED = address(process.env.LOCKED);
export const PASSWORD = process.env.PASSWORD;
export const WRONG = "not-the-password";
export const PREFIX = process.env.PREFIX;
export const K = `${PREFIX}k`;
export const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
export const SCAN_KEYS = Array.from({ length: 25 }, (_, k) => `${PREFIX}scan:${k}`).sort();

export const expect = (found, wanted) => assert.deepEqual(found, wanted);
export const expectBetween = (found, low, high) => assert.ok(low <= found && found <= high, `${found} is not from ${low} to ${high}`);
export const expectError = (promise, words) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof Error && words.test(String(error)), `the error does not say ${words}: ${error}`);
    return true;
  });

export async function run(name, hello, cases, onlyIfAsked = {}) {
  const { version } = JSON.parse(readFileSync(new URL(`./node_modules/${name}/package.json`, import.meta.url)));
  console.log(`version ${version}`);
  if (process.argv[2] === "hello") return hello();
  for (const [title, body] of Object.entries(process.argv[2] ? onlyIfAsked : cases)) {
    if (process.argv[2] && process.argv[2] !== title) continue;
    try {
      await body();
      console.log(`ok ${title}`);
    } catch (error) {
      console.log(`FAILED ${title}: ${String(error).replaceAll("\n", " ")}`);
    }
  }
}
