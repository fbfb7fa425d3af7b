// Says what is wrong in HTML documents. Reads [{"name", "html"}, …] from stdin, prints [{"name", "line", "rule", "message"}, …].
// GATEHOUSE_NODE_DIR is the folder whose node_modules holds html-validate (script/setup.sh fills it).
// The exit code says only whether it could look; a document's faults are the output.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const RULES = {
  // Two spellings of the same thing.
  "void-style": "off",
  "attribute-boolean-style": "off",
  "attribute-empty-style": "off",
  "doctype-style": "off",
  "attr-quotes": "off",
  // Template tags leave blanks behind; no reader sees them.
  "no-trailing-whitespace": "off",
  // Titles name page, state and site; its 70 characters are a rule of search engines.
  "long-title": "off",
  // Every file comes from our own origin, and the content security policy allows no other.
  "require-sri": "off",
  // Stays on though not about validity: the content security policy refuses inline styles, so one would do nothing.
  "no-inline-style": "error",
};

const folder = process.env.GATEHOUSE_NODE_DIR;
if (!folder) {
  console.error("validate.mjs: GATEHOUSE_NODE_DIR is not set; run the tests with script/test");
  process.exit(2);
}
const { HtmlValidate } = createRequire(join(folder, "package.json"))("html-validate");
const validator = new HtmlValidate({
  root: true,
  extends: ["html-validate:recommended", "html-validate:document"],
  rules: RULES,
});

const faults = [];
for (const { name, html } of JSON.parse(readFileSync(0, "utf8"))) {
  const report = await validator.validateString(html, name);
  for (const result of report.results) {
    for (const { line, ruleId, message } of result.messages) {
      faults.push({ name, line, rule: ruleId, message });
    }
  }
}
console.log(JSON.stringify(faults));
