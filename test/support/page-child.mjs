// Runs the page as `myelin page` does: page-child.mjs SEGMENT WORLD PORT
import { runPage } from '../../dist/remote/gateway/page-process.js';

const [segment, world, port] = process.argv.slice(2);
await runPage({ segment, world, port: Number(port) });
