import { Redis } from "iovalkey";

import { suite } from "./io.mjs";

await suite("iovalkey", Redis);
