// Rules of ours: whoever reads a document must know how much may come.

const is = (schema, type) => [schema.type].flat().includes(type);
const has = (schema, ...words) => words.some((word) => schema[word] !== undefined);

// Only what a type stands in is a schema of its own; allOf and its like have
// branches that are looked at by themselves.
const rule = (type, words, says) => () => ({
  Schema(schema, { report, location }) {
    if (is(schema, type) && !has(schema, ...words)) {
      report({ message: says, location: location.child("type") });
    }
  },
});

export default () => ({
  id: "canopy",
  rules: {
    oas3: {
      "string-limit": rule(
        "string",
        ["maxLength", "enum", "const", "format", "pattern"],
        "A string needs maxLength, enum, const, format or pattern.",
      ),
      // Not of webhooks, whose names are those of their events.
      "kebab-path": () => ({
        Paths(paths, { report, location }) {
          for (const path of Object.keys(paths)) {
            if (path.split("/").some((part) => !/^([a-z0-9.-]*|{[A-Za-z]+})$/.test(part))) {
              report({ message: "A path is lower-case words with hyphens.", location: location.child([path]).key() });
            }
          }
        },
      }),
      // A list that is answered whole has no limit worth a promise.
      "array-limit": () => ({ RequestBody: rule("array", ["maxItems"], "An array needs maxItems.")() }),
    },
  },
});
