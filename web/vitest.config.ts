/** Unit tests of all workspaces: pure parts and the protocol client, in Node, with a fake network and clock. */

import { defineConfig } from 'vitest/config';

export default defineConfig({ test: { include: ['*/test/**/*.test.ts'] } });
