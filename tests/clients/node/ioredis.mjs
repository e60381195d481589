import { Redis } from "ioredis";

import { suite } from "./io.mjs";

await suite("ioredis", Redis);
