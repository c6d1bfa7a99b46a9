// `npm run openapi`: writes shared/contract/openapi.json anew.

import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { document } from "../../shared/contract/openapi/document.ts";

writeFileSync(
  resolve(import.meta.dirname, "../../shared/contract/openapi.json"),
  `${JSON.stringify(document, null, 2)}\n`,
);
